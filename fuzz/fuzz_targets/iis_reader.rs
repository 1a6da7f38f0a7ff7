//! Any bytes as a web.config or applicationHost.config, up to the plan: no panic, no hang, findings that lie in the file.
#![no_main]

use std::path::{Path, PathBuf};

use libfuzzer_sys::fuzz_target;
use triglot::diagnostic::{
    Severity,
    render::{Colour, Format, render},
};
use triglot::dialect::{Options, iis};
use triglot::source::SourceMap;
use triglot::{ir, plan};

fuzz_target!(|data: &[u8]| {
    let mut sources = SourceMap::new();
    let path = PathBuf::from("/nowhere/web.config");
    sources.add(path.clone(), data.to_vec());
    let options = Options { offline: true, prefix: Path::new("/nowhere").into(), ..Options::default() };
    let (config, mut found) = iis::read(&mut sources, &path, &options);
    for label in found.iter().flat_map(|found| &found.labels).filter(|label| label.span.is_known()) {
        let length = sources.file(label.span.file).text.len() as u32;
        let span = label.span;
        assert!(span.start <= span.end && span.end <= length, "{span:?} is not in 0..{length}");
    }
    let unsound = ir::validate(&config);
    if unsound.iter().all(|found| found.severity < Severity::Error)
        && let Err(faults) = plan::compile(config)
    {
        found.extend(faults);
    }
    // Showing costs a thousand times what reading does: only where it is short.
    if !found.is_empty() && data.len() < 200 {
        assert!(!render(&sources, &found, Format::Human, Colour::Never).is_empty(), "nothing to show");
    }
});
