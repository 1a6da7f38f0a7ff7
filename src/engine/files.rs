//! stub
use super::exchange::{Exchange, Next};
use crate::{ir::FileKind, plan::Plan};
pub async fn serve(_: &mut Exchange, _: &Plan) -> Next {
    Next::Status(404)
}
pub fn is(_: &[u8], _: FileKind) -> bool {
    false
}
pub mod map {
    use crate::plan::{Plan, Run, View};
    pub fn document_root(run: &mut Run, plan: &Plan, view: &impl View, out: &mut Vec<u8>) -> bool {
        let root = plan.settings(run.settings).files.root.clone();
        run.eval(plan, view, &root, out)
    }
}
