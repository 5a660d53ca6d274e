//! What a drill was: its report, made from the journal and from nothing else.
//!
//! It reads no clock, asks nobody and keeps nothing: the same records make the same report, whenever that is. Every number in it is the
//! difference of two times of journal entries, or stands in one.

mod dossier;
mod html;
mod markdown;
mod report;
mod surprises;
mod timeline;
mod times;
mod trend;

pub use dossier::{Dossier, DossierError, line};
pub use html::html;
pub use markdown::markdown;
pub use report::{Ending, Evidence, Line, LookRow, Report, StepRow};
pub use times::{Measure, Time};
pub use trend::{Trend, TrendRow, trend};
