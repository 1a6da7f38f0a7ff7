//! How much a client may ask for, and what is counted: Apache has no word for either without modules of others.

use super::Render;
use crate::{ir::settings::Limits, source::Span};

impl Render<'_, '_> {
    pub(super) fn limits(&mut self, set: &Limits, span: Span) {
        let Limits {
            rates,
            rate_status,
            rate_level,
            rate_dry_run,
            concurrent,
            concurrent_status,
            concurrent_level,
            concurrent_dry_run,
            host_tally,
            tally,
        } = set;
        self.lost(
            "",
            &[
                ("limits.rates", rates.is_some()),
                ("limits.rate_status", rate_status.is_some()),
                ("limits.rate_level", rate_level.is_some()),
                ("limits.rate_dry_run", rate_dry_run.is_some()),
                ("limits.concurrent", concurrent.is_some()),
                ("limits.concurrent_status", concurrent_status.is_some()),
                ("limits.concurrent_level", concurrent_level.is_some()),
                ("limits.concurrent_dry_run", concurrent_dry_run.is_some()),
                ("limits.host_tally", host_tally.is_some()),
                ("limits.tally", tally.is_some()),
            ],
            span,
        );
    }
}
