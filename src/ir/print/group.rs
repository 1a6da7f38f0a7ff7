//! Groups and their members.

use super::{Printer, value};
use crate::ir::{Check, Duty, Group, Live, Member, Settings, Share, State, Sticky};

impl Printer<'_> {
    /// In the line of its cluster.
    pub(super) fn group(&mut self, group: &Group) {
        let Group {
            url,
            hosts,
            share,
            key,
            states,
            keep,
            live,
            alone,
            sticky,
            attempts,
            wait,
            recover,
            failing,
            failing_late,
            failing_unresolved,
            again,
            growth,
            nonce,
        } = group;
        self.add(format_args!(" group {url}"));
        for host in hosts.iter().flatten() {
            self.add(format_args!(" host{}", host.0));
        }
        if *alone {
            self.add(" alone");
            return;
        }
        self.add(match share {
            Share::Requests => " by requests",
            Share::Traffic => " by traffic",
            Share::Busyness => " by busyness",
            Share::Latency => " by latency",
            Share::Hash => " by hash",
        });
        if let Some(key) = key {
            self.add(" ");
            self.template(key);
        }
        if !states.is_empty() {
            self.add(format_args!(" states {states}"));
        }
        self.number("keep", Some(u64::from(*keep)).filter(|keep| *keep != 0));
        if let Some(Live { failures, period, statuses }) = live {
            self.add(format_args!(" live {failures} in {}", value::duration(*period)));
            self.ranges(statuses);
        }
        if let Some(Sticky { cookie, param, separator, semicolon, force }) = sticky {
            self.add(format_args!(" sticky cookie {cookie} param {param}"));
            match separator {
                Some(byte) => self.add(format_args!(" after {}", byte.escape_ascii())),
                None => self.add(" whole"),
            }
            self.flag(*semicolon, "semicolon");
            self.flag(*force, "force");
        }
        self.number("attempts", attempts.map(u64::from));
        if !wait.is_zero() {
            self.add(format_args!(" wait {}", value::duration(*wait)));
        }
        self.flag(*recover, "recover");
        for status in failing {
            self.add(format_args!(" failing {status}"));
        }
        self.flag(*failing_late, "failing-late");
        self.flag(*failing_unresolved, "failing-unresolved");
        self.flag(*again, "again");
        self.number("growth", Some(u64::from(*growth)).filter(|growth| *growth != 5));
        if let Some(nonce) = nonce {
            self.add(format_args!(" nonce \"{nonce}\""));
        }
    }

    pub(super) fn ranges(&mut self, statuses: &[(u16, u16)]) {
        for (from, to) in statuses {
            self.add(format_args!(" {from}-{to}"));
        }
    }

    /// Behind the address of its endpoint.
    pub(super) fn member(&mut self, member: &Member, max_connections: u32) {
        let Member {
            url,
            protocol,
            tls,
            authority,
            base,
            factor,
            set,
            duty,
            state,
            route,
            redirect,
            rest,
            acquire,
            reuse,
            settings,
            check,
        } = member;
        self.add(format_args!(" member {url} {}", value::word(protocol)));
        self.flag(*tls, "tls");
        self.add(format_args!(" authority {authority}"));
        if !base.is_empty() {
            self.add(format_args!(" base {base}"));
        }
        if *factor != 100 {
            self.add(format_args!(" factor {}.{:02}", factor / 100, factor % 100));
        }
        self.number("set", Some(u64::from(*set)).filter(|set| *set != 0));
        match duty {
            Duty::Active => {}
            Duty::Spare => self.add(" spare"),
            Duty::Standby => self.add(" standby"),
        }
        let State { disabled, stopped, faultless, draining, failed } = state;
        self.flag(*disabled, "disabled");
        self.flag(*stopped, "stopped");
        self.flag(*faultless, "faultless");
        self.flag(*draining, "draining");
        self.flag(*failed, "failed");
        if !route.is_empty() {
            self.add(format_args!(" route {route}"));
        }
        if !redirect.is_empty() {
            self.add(format_args!(" redirect {redirect}"));
        }
        self.add(format_args!(" rest {}", value::duration(*rest)));
        self.number("max-connections", Some(u64::from(max_connections)).filter(|max| *max != 0));
        if !acquire.is_zero() {
            self.add(format_args!(" acquire {}", value::duration(*acquire)));
        }
        self.flag(!reuse, "no-reuse");
        self.inside(|printer| {
            printer.settings(&Settings { http: settings.clone().into(), ..Settings::default() });
            if let Some(check) = check {
                printer.line("check ");
                printer.check(check);
            }
        });
    }

    /// What is asked, how often, and what counts.
    pub(super) fn check(&mut self, check: &Check) {
        let Check {
            method,
            modern,
            target,
            interval,
            passes,
            fails,
            good,
            content,
            timeout,
            statuses,
            contains,
        } = check;
        match method {
            Some(method) => {
                self.add(format_args!("{method} \"{target}\" HTTP/1.{}", u8::from(*modern)));
            }
            None => self.add("connect"),
        }
        let interval = value::duration(*interval);
        self.add(format_args!(" every {interval} passes {passes} fails {fails}"));
        if let Some(good) = good {
            self.add(" good ");
            self.template(good);
        }
        if let Some(content) = content {
            let name = self.var_name(*content);
            self.add(format_args!(" content as {name}"));
        }
        if !timeout.is_zero() {
            self.add(format_args!(" timeout {}", value::duration(*timeout)));
        }
        self.ranges(statuses);
        if !contains.is_empty() {
            self.add(format_args!(" contains \"{contains}\""));
        }
    }
}
