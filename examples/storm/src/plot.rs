//! The picture: requests in each 100 ms, accepted and rejected, one row a strategy.

use load_test::jobs::Work;
use plotters::{
    coord::Shift,
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};
use tower_heed::BoxError;

use super::{
    bars::{STEP, bars},
    strategies::{Outcome, Strategy},
};

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

const SIZE: (u32, u32) = (1000, 720);
/// Of the title and the legend, and of the axis with its label.
const HEAD: u32 = 92;
const FOOT: u32 = 34;

const LEFT: i32 = 48;
const RIGHT: i32 = 24;

/// A background of its own: the picture is shown on light and on dark pages.
const PAPER: RGBColor = RGBColor(250, 251, 253);
const INK: RGBColor = RGBColor(28, 33, 40);
const PALE: RGBColor = RGBColor(96, 105, 118);
const GRID: RGBColor = RGBColor(222, 226, 232);
/// Blue and orange are distinct to nearly all readers.
const ACCEPTED: RGBColor = RGBColor(31, 111, 185);
const REFUSED: RGBColor = RGBColor(226, 93, 20);

/// A bar that is higher is cut, and has its number beside it.
const TOP: u32 = 100;

/// Draws it, as SVG.
pub fn svg(work: Work, outcomes: &[Outcome]) -> Result<String, BoxError> {
    let mut text = String::new();
    {
        let root = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
        root.fill(&PAPER)?;
        let (head, rest) = root.split_vertically(HEAD);
        legend(&head, work, outcomes)?;
        let (rows, foot) = rest.split_vertically(SIZE.1 - HEAD - FOOT);
        let end = outcomes.iter().map(|it| it.done.makespan.as_secs_f64()).fold(1.0, f64::max);
        let end = (end + 0.3).ceil();
        for (area, outcome) in rows.split_evenly((outcomes.len(), 1)).iter().zip(outcomes) {
            row(area, outcome, end)?;
        }
        let label = font(15, &PALE).pos(Pos::new(HPos::Center, VPos::Center));
        foot.draw(&Text::new("seconds", (SIZE.0 as i32 / 2, 14), label))?;
        root.present()?;
    }
    // What is the default anyway.
    Ok(text.replace(" opacity=\"1\"", "").replace(" stroke=\"none\"", ""))
}

fn legend(area: &Area<'_>, work: Work, outcomes: &[Outcome]) -> Result<(), BoxError> {
    let title = format!(
        "{} jobs, {} workers, one server that accepts 50 requests a second",
        work.jobs, work.workers
    );
    area.draw(&Text::new(title, (LEFT, 20), bold(24, &INK)))?;
    area.draw(&Text::new("Requests in each tenth of a second:", (LEFT, 58), font(17, &PALE)))?;
    for (at, name, color) in [(355, "accepted", ACCEPTED), (465, "rejected (429)", REFUSED)] {
        area.draw(&Rectangle::new([(at, 59), (at + 14, 73)], color.filled()))?;
        area.draw(&Text::new(name, (at + 21, 58), font(17, &INK)))?;
    }
    if let Some(outcome) = outcomes.first() {
        let text = format!(
            "done by a client that knows the limiter: {:.1} s",
            outcome.ideal.as_secs_f64()
        );
        for top in [57, 65, 73] {
            area.draw(&PathElement::new([(622, top), (622, top + 5)], INK))?;
        }
        area.draw(&Text::new(text, (630, 58), font(17, &INK)))?;
    }
    Ok(())
}

fn row(area: &Area<'_>, outcome: &Outcome, end: f64) -> Result<(), BoxError> {
    let (caption, plot) = area.split_vertically(30);
    let color = if outcome.strategy == Strategy::Heed { &ACCEPTED } else { &INK };
    caption.draw(&Text::new(outcome.strategy.name(), (LEFT, 6), bold(18, color)))?;
    let bars = bars(&outcome.tally);
    let most = bars.iter().map(|bar| bar.accepted + bar.rejected).max().unwrap_or_default();
    if most > TOP {
        let note = font(15, &PALE).pos(Pos::new(HPos::Center, VPos::Top));
        let text = format!("bars cut at {TOP}; the highest is {most}");
        caption.draw(&Text::new(text, (SIZE.0 as i32 * 2 / 5, 8), note))?;
    }
    let result = font(17, &INK).pos(Pos::new(HPos::Right, VPos::Top));
    caption.draw(&Text::new(result_of(outcome), (SIZE.0 as i32 - RIGHT, 6), result))?;

    let mut chart = ChartBuilder::on(&plot)
        .margin_left(LEFT - 34)
        .margin_right(RIGHT)
        .x_label_area_size(24)
        .y_label_area_size(34)
        .build_cartesian_2d(0.0..end, 0.0..f64::from(TOP))?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(GRID)
        .y_labels(3)
        .x_labels(end as usize + 1)
        .x_label_formatter(&|seconds| format!("{seconds:.0}"))
        .y_label_formatter(&|requests| format!("{requests:.0}"))
        .label_style(font(14, &PALE))
        .draw()?;
    for (number, bar) in bars.into_iter().enumerate() {
        let left = number as f64 * STEP;
        let sides = (left + STEP * 0.08, left + STEP * 0.92);
        let accepted = f64::from(bar.accepted.min(TOP));
        let all = f64::from((bar.accepted + bar.rejected).min(TOP));
        let parts = [(0.0, accepted, ACCEPTED), (accepted, all, REFUSED)];
        let parts = parts.into_iter().filter(|(low, high, _)| low < high);
        chart.draw_series(parts.map(|(low, high, color)| {
            Rectangle::new([(sides.0, low), (sides.1, high)], color.filled())
        }))?;
    }
    let ideal = outcome.ideal.as_secs_f64();
    let dash = f64::from(TOP) / 10.0;
    chart.draw_series((0..10).map(|number| {
        let low = f64::from(number) * dash;
        PathElement::new([(ideal, low), (ideal, low + dash * 0.6)], INK)
    }))?;
    Ok(())
}

fn result_of(outcome: &Outcome) -> String {
    let Outcome { done, tally, .. } = outcome;
    format!(
        "{} of {} done, {} rejected, {:.1} s",
        done.ok,
        done.ok + done.failed,
        grouped(tally.rejected()),
        done.makespan.as_secs_f64()
    )
}

/// `12,345`
fn grouped(number: usize) -> String {
    match number {
        0..1_000 => number.to_string(),
        _ => format!("{},{:03}", grouped(number / 1_000), number % 1_000),
    }
}

fn font(size: u32, color: &RGBColor) -> TextStyle<'_> {
    ("sans-serif", size).into_font().color(color)
}

fn bold(size: u32, color: &RGBColor) -> TextStyle<'_> {
    ("sans-serif", size).into_font().style(FontStyle::Bold).color(color)
}
