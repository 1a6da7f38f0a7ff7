# What people do with the project. `make test` is what .ci/run calls.

.PHONY: demo test bench fuzz corpus build

# Origins, the proxy in front of them, and a page to click: http://localhost:8080/
demo: build
	target/release/triglot demo $(if $(PORT),--port $(PORT))

build: rust
	cargo build --release --bin triglot

# Everything that is tested. Prints what failed, and `N passed, N failed` at the end.
test: rust
	tests/run

# CPU time per unit of work, beside nginx on the same file. BENCH='--quick' or '--only ID,...'
bench: rust
	tests/setup.sh
	cargo bench --bench proxy -- $(BENCH)

# Each fuzz target for SECONDS.
SECONDS ?= 60
fuzz: rust
	fuzz/run $(SECONDS)

# How far other people's files get, and what stands in their way: make corpus CORPUS=DIR
corpus: rust
	@test -n "$(CORPUS)" || { echo "which files? make corpus CORPUS=DIR" >&2; exit 2; }
	cargo run --quiet --example corpus -- "$(CORPUS)"

# A compiler; everything else comes with cargo.
.PHONY: rust
rust:
	@command -v cargo >/dev/null || { echo "cargo is missing: https://rustup.rs installs it" >&2; exit 1; }
