//! The picture: requests in each second, accepted and rejected, one row a fleet.

use std::time::Duration;

use plotters::{
    coord::Shift,
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};
use tower_heed::BoxError;

use super::{
    args::Run,
    outcome::{LIMIT, Outage, Outcome},
};

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

const SIZE: (u32, u32) = (900, 460);
const LEFT: i32 = 48;
const RIGHT: i32 = 24;

/// A background of its own: the picture is shown on light and on dark pages.
const PAPER: RGBColor = RGBColor(250, 251, 253);
const INK: RGBColor = RGBColor(28, 33, 40);
const PALE: RGBColor = RGBColor(96, 105, 118);
const GRID: RGBColor = RGBColor(222, 226, 232);
const DOWN: RGBColor = RGBColor(238, 232, 214);
/// Blue and orange are distinct to nearly all readers.
const ACCEPTED: RGBColor = RGBColor(31, 111, 185);
const REJECTED: RGBColor = RGBColor(226, 93, 20);

/// Draws it, as SVG.
pub fn svg(run: &Run, outcomes: &[Outcome; 2], outage: Outage) -> Result<String, BoxError> {
    let mut text = String::new();
    {
        let root = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
        root.fill(&PAPER)?;
        let (head, rest) = root.split_vertically(74);
        legend(&head, run)?;
        let (rows, foot) = rest.split_vertically(SIZE.1 - 74 - 26);
        let areas = rows.split_evenly((outcomes.len(), 1));
        for (row, (area, outcome)) in areas.iter().zip(outcomes).enumerate() {
            draw(area, outcome, (row == 0).then_some(outage))?;
        }
        let label = font(15, &PALE).pos(Pos::new(HPos::Center, VPos::Center));
        foot.draw(&Text::new("seconds", (SIZE.0 as i32 / 2, 10), label))?;
        root.present()?;
    }
    Ok(text.replace(" opacity=\"1\"", "").replace(" stroke=\"none\"", ""))
}

fn legend(area: &Area<'_>, run: &Run) -> Result<(), BoxError> {
    let title =
        format!("{} processes, one server that accepts {LIMIT} requests a second", run.processes);
    area.draw(&Text::new(title, (LEFT, 14), font(22, &INK)))?;
    area.draw(&Text::new("Requests in each second:", (LEFT, 48), font(16, &PALE)))?;
    let parts =
        [(235, "accepted", ACCEPTED), (340, "rejected (429)", REJECTED), (480, "store down", DOWN)];
    for (at, name, color) in parts {
        area.draw(&Rectangle::new([(at, 49), (at + 14, 63)], color.filled()))?;
        area.draw(&Text::new(name, (at + 21, 48), font(16, &INK)))?;
    }
    Ok(())
}

fn draw(area: &Area<'_>, outcome: &Outcome, outage: Option<Outage>) -> Result<(), BoxError> {
    let (caption, plot) = area.split_vertically(26);
    let name = if outage.is_some() { "with a store" } else { "without a store" };
    caption.draw(&Text::new(name, (LEFT, 4), font(17, &INK)))?;
    let result = font(16, &INK).pos(Pos::new(HPos::Right, VPos::Top));
    let span = outcome.counted();
    let text = format!(
        "{:.1} accepted a second, {} rejected, {} token fetches",
        span.per_second(),
        span.rejected,
        outcome.token_fetches
    );
    caption.draw(&Text::new(text, (SIZE.0 as i32 - RIGHT, 4), result))?;

    let end = outcome.time.as_secs_f64();
    let top = f64::from(LIMIT) * 1.6;
    let mut chart = ChartBuilder::on(&plot)
        .margin_left(LEFT - 34)
        .margin_right(RIGHT)
        .x_label_area_size(22)
        .y_label_area_size(34)
        .build_cartesian_2d(0.0..end, 0.0..top)?;
    if let Some(outage) = outage {
        let (from, until) = (outage.from.as_secs_f64(), outage.until.as_secs_f64());
        chart.draw_series([Rectangle::new([(from, 0.0), (until, top)], DOWN.filled())])?;
    }
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(GRID)
        .y_labels(3)
        .x_labels(11)
        .x_label_formatter(&|seconds| format!("{seconds:.0}"))
        .y_label_formatter(&|requests| format!("{requests:.0}"))
        .label_style(font(14, &PALE))
        .draw()?;
    for second in 0..outcome.time.as_secs() {
        let from = Duration::from_secs(second);
        let span = outcome.within(from, from + Duration::from_secs(1));
        let sides = (second as f64 + 0.1, second as f64 + 0.9);
        let accepted = f64::from(span.accepted).min(top);
        let all = f64::from(span.accepted + span.rejected).min(top);
        let parts = [(0.0, accepted, ACCEPTED), (accepted, all, REJECTED)];
        let parts = parts.into_iter().filter(|(low, high, _)| low < high);
        chart.draw_series(parts.map(|(low, high, color)| {
            Rectangle::new([(sides.0, low), (sides.1, high)], color.filled())
        }))?;
    }
    let limit = f64::from(LIMIT);
    chart.draw_series([PathElement::new([(0.0, limit), (end, limit)], INK)])?;
    Ok(())
}

fn font(size: u32, color: &RGBColor) -> TextStyle<'_> {
    ("sans-serif", size).into_font().color(color)
}
