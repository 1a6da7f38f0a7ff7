//! Prints what lines of error logs say.

use super::{Print, Printer, value};
use crate::ir::settings::{ErrorForm, ErrorLines, ErrorPiece, ErrorWord, Level, Levels, Missing};

impl Print for Levels {
    fn print(&self, printer: &mut Printer<'_>) {
        if let Some(level) = &self.all {
            printer.add(format_args!(" {}", value::word(level)));
        }
        for (topic, level) in &self.topics {
            printer.add(format_args!(" {}:{}", value::word(topic), value::word(level)));
        }
    }
}

impl Print for ErrorLines {
    fn print(&self, printer: &mut Printer<'_>) {
        let Self { line, request, connection, names } = self;
        printer.inside(|printer| {
            printer.error_form("line", line);
            for form in request {
                printer.error_form("request", form);
            }
            for form in connection {
                printer.error_form("connection", form);
            }
            if !names.is_empty() {
                printer.line("names");
                for (topic, name) in names {
                    printer.add(format_args!(" {}={name}", value::word(topic)));
                }
            }
        });
    }
}

impl Printer<'_> {
    fn error_form(&mut self, which: &str, ErrorForm(pieces): &ErrorForm) {
        self.line(which);
        for ErrorPiece { field, word, missing, worst } in pieces {
            self.add(if *field { " / " } else { " " });
            match word {
                ErrorWord::Text(text) => self.add(format_args!("\"{text}\"")),
                ErrorWord::Of(template) => self.template(template),
                ErrorWord::Time { compact, micros } => {
                    self.add("time");
                    self.flag(*compact, "compact");
                    self.flag(*micros, "micros");
                }
                ErrorWord::Connection(alone) => {
                    self.add("connection");
                    self.flag(*alone, "alone");
                }
                word => self.add(value::word(word)),
            }
            match missing {
                Missing::Field => {}
                Missing::Hyphen => self.add(" or hyphen"),
                Missing::Line => self.add(" or no line"),
            }
            if *worst != Level::Emerg {
                self.add(format_args!(" up to {}", value::word(worst)));
            }
        }
    }
}
