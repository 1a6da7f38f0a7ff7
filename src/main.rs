//! The `triglot` command: arguments in, exit code out.

fn main() -> std::process::ExitCode {
    triglot::cli::main()
}
