//! The parameter files that every nginx is installed with, for a configuration
//! that includes one and stands on a machine without nginx.

use std::path::Path;

const FILES: &[(&str, &str)] = &[
    ("fastcgi.conf", include_str!("../../../grammar/nginx/bundled/fastcgi.conf")),
    ("fastcgi_params", include_str!("../../../grammar/nginx/bundled/fastcgi_params")),
    ("mime.types", include_str!("../../../grammar/nginx/bundled/mime.types")),
    ("proxy_params", include_str!("../../../grammar/nginx/bundled/proxy_params")),
    ("scgi_params", include_str!("../../../grammar/nginx/bundled/scgi_params")),
    ("uwsgi_params", include_str!("../../../grammar/nginx/bundled/uwsgi_params")),
];

/// The text that serves in place of `path` when that does not exist.
pub fn text(path: &Path) -> Option<&'static str> {
    let name = path.file_name()?.to_str()?;
    FILES.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        dialect::nginx::{parse::parse, tree::directives},
        source::SourceMap,
    };

    #[test]
    fn every_file_is_found_by_its_name_and_parses() {
        for (name, content) in FILES {
            let path = Path::new("/etc/nginx").join(name);
            assert_eq!(text(&path), Some(*content));
            let mut sources = SourceMap::new();
            let file = sources.add(path, content.as_bytes().to_vec());
            let (items, diagnostics) = parse(&sources, file);
            assert_eq!(diagnostics, [], "{name}");
            assert!(directives(&items).count() > 0, "{name}");
        }
        assert_eq!(text(Path::new("/etc/nginx/koi-win")), None);
    }

    #[test]
    fn the_media_types_are_complete() {
        let types = text(Path::new("mime.types")).unwrap();
        let mut sources = SourceMap::new();
        let file = sources.add("mime.types".into(), types.as_bytes().to_vec());
        let (items, _) = parse(&sources, file);
        let types = directives(&items).next().unwrap();
        let extensions: usize = directives(types.block()).map(|row| row.args.len()).sum();
        assert_eq!((directives(types.block()).count(), extensions), (82, 110));
    }
}
