//! How sessions are kept on an endpoint, and how its health is looked at.

use super::{Printer, value};
use crate::ir::{Affinity, Expectation, Settings, Template, Timing, Watch, settings::Lifetime};

impl Printer<'_> {
    /// In the line of its cluster.
    pub(super) fn timing(&mut self, timing: Timing) {
        let Timing { whole, under_way } = timing;
        self.add(if whole { " to the end" } else { " to the head" });
        self.flag(under_way, "under-way");
    }

    /// In the line of its cluster.
    pub(super) fn affinity(&mut self, affinity: &Affinity) {
        match affinity {
            Affinity::Cookie { name, lasts, attributes } => {
                self.add(format_args!(" session by cookie {name}"));
                match lasts {
                    Lifetime::Session => {}
                    Lifetime::Longest => self.add(" for ever"),
                    Lifetime::For(time) => self.add(format_args!(" for {}", value::duration(*time))),
                }
                for (attribute, value) in attributes {
                    self.add(format_args!(" {attribute}"));
                    if let Some(value) = value {
                        self.add("=");
                        self.template(value);
                    }
                }
            }
            Affinity::Route(routes) => {
                self.add(" session by route");
                self.each_of(routes);
            }
            Affinity::Learned { begins, goes_on, table, entries, lasts, at_head } => {
                self.add(format_args!(" session learned in {table} entries {entries}"));
                self.add(format_args!(" for {} begins", value::duration(*lasts)));
                self.each_of(begins);
                self.flag(*at_head, "at-head");
                self.add(" goes-on");
                self.each_of(goes_on);
            }
        }
    }

    fn each_of(&mut self, templates: &[Template]) {
        for template in templates {
            self.add(" ");
            self.template(template);
        }
    }

    /// A line of its own, and what is sent below it.
    pub(super) fn watch(&mut self, watch: &Watch) {
        let Watch { check, jitter, port, tls, mandatory, persistent, service, settings, expects, span: _ } =
            watch;
        self.line("watch ");
        self.check(check);
        if !jitter.is_zero() {
            self.add(format_args!(" jitter {}", value::duration(*jitter)));
        }
        self.number("port", port.map(u64::from));
        self.flag(*tls, "tls");
        self.flag(*mandatory, "mandatory");
        self.flag(*persistent, "persistent");
        if let Some(service) = service {
            self.add(format_args!(" grpc {service}"));
        }
        for expected in expects {
            self.expected(expected);
        }
        self.inside(|printer| {
            printer.settings(&Settings { http: settings.clone().into(), ..Settings::default() });
        });
    }

    fn expected(&mut self, expected: &Expectation) {
        let not = |not: bool| if not { " not" } else { "" };
        match expected {
            Expectation::Status(ranges, opposite) => {
                self.add(format_args!("{} status", not(*opposite)));
                self.ranges(ranges);
            }
            Expectation::Field(name, opposite) => self.add(format_args!("{} field {name}", not(*opposite))),
            Expectation::Value(name, pattern, opposite) => {
                self.add(format_args!("{} {name} ", not(*opposite)));
                self.pattern(pattern);
            }
            Expectation::Content(pattern, opposite) => {
                self.add(format_args!("{} content ", not(*opposite)));
                self.pattern(pattern);
            }
            Expectation::Holds(value) => {
                self.add(" holds ");
                self.template(value);
            }
            Expectation::Served(None) => self.add(" served"),
            Expectation::Served(Some(status)) => self.add(format_args!(" served or {status}")),
        }
    }
}
