# What people do with the project. `make test` is what .ci/run calls.

.PHONY: demo test bench profile fuzz corpus build

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

# Which code runs often, found out anew by the workloads of the bench: before a release. Two optimized builds' time.
profile: rust
	tests/setup.sh
	benches/profile/make

# Each fuzz target for SECONDS.
SECONDS ?= 60
fuzz: rust
	fuzz/run $(SECONDS)

# How far other people's files get, what stands in their way, and what their translations are worth (docs/corpus.md):
# make corpus CORPUS=DIR. LIVE=N has the installed servers run N outputs of each direction.
LIVE ?= 0
corpus: rust
	@test -n "$(CORPUS)" || { echo "which files? make corpus CORPUS=DIR" >&2; exit 2; }
	cargo build --quiet --bin triglot
	cargo run --quiet --example corpus -- --translate --live $(LIVE) --write docs/corpus.md "$(CORPUS)"

# A compiler; everything else comes with cargo.
.PHONY: rust
rust:
	@command -v cargo >/dev/null || { echo "cargo is missing: https://rustup.rs installs it" >&2; exit 1; }
