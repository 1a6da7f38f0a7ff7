//! A remote desktop in the browser, through the proxy: its pixels arrive, and so do the mouse and the keys.

use std::process::Command;

use crate::support::process::Process;
use crate::support::subject::Prefix;
use crate::support::{ports, wait};
use crate::{configuration, folder};

// Colours no program draws by itself: the desktop's, a terminal's, and the desktop's after it was typed there.
const DESKTOP: &str = "13579b";
const TERMINAL: &str = "c0ffee";
const TYPED: &str = "2468ac";

#[test]
fn a_desktop_is_seen_and_used_in_chromium() {
    let (vnc, web, port) = (ports::free(), ports::free(), ports::free());
    let prefix = Prefix::new("novnc", &configuration("novnc", &[(6080, web), (8080, port)]));
    let folder_of_run = prefix.path().to_owned();

    let mut command = Command::new("Xtigervnc");
    command
        .args(["-displayfd", "1", "-SecurityTypes", "None", "-localhost", "-rfbport", &vnc.to_string()])
        .args(["-geometry", "640x480", "-depth", "24", "-nolisten", "tcp"]);
    let desktop = Process::start("xtigervnc", &mut command, &folder_of_run).listening(vnc);
    let display = wait::until("the display's number", wait::SOON, || {
        let output = desktop.output();
        let number = output.lines().find_map(|line| line.trim().parse::<u32>().ok())?;
        Some(format!(":{number}"))
    });
    let painted =
        Command::new("xsetroot").args(["-display", &display, "-solid", &format!("#{DESKTOP}")]).status();
    assert!(painted.is_ok_and(|status| status.success()), "xsetroot did not paint; run tests/setup.sh");
    let script = "read colour; xsetroot -solid \"#$colour\"; exec sleep 600";
    let mut command = Command::new("xterm");
    command
        .args(["-display", &display, "-bg", &format!("#{TERMINAL}"), "-geometry", "40x12+50+50"])
        .args(["-e", "sh", "-c", script]);
    let _terminal = Process::start("xterm", &mut command, &folder_of_run);

    let mut command = Command::new("websockify");
    command.args(["--web", "/usr/share/novnc", &format!("127.0.0.1:{web}"), &format!("127.0.0.1:{vnc}")]);
    let _websockify = Process::start("websockify", &mut command, &folder_of_run).listening(web);
    let _subject = prefix.serve();

    let mut command = Command::new("node");
    command
        .arg(folder().join("browser.js"))
        .arg(format!("http://127.0.0.1:{port}/vnc.html?autoconnect=true&reconnect=false&resize=off"))
        .arg(&folder_of_run)
        .args([DESKTOP, TERMINAL, "120,120", TYPED, TYPED]);
    let mut browser = Process::start("browser", &mut command, &folder_of_run);
    let status = browser.wait(wait::SOON * 6);
    assert!(status.success(), "the browser did not see the desktop");
}
