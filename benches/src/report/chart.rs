//! Charts as SVG.

use std::{ops::Range, path::Path};

use plotters::{
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

const BLUE: RGBColor = RGBColor(0x2b, 0x6c, 0xb0);
const GREY: RGBColor = RGBColor(0x9a, 0xa5, 0xb1);
const INK: RGBColor = RGBColor(0x33, 0x3b, 0x45);
const PALETTE: [RGBColor; 5] =
    [BLUE, RGBColor(0xc0, 0x56, 0x21), RGBColor(0x2f, 0x85, 0x5a), RGBColor(0x80, 0x5a, 0xd5), GREY];

/// Bars that lie below each other, on a logarithmic scale if they differ a lot. Those whose name begins with `ours` stand out.
#[derive(Debug)]
pub(crate) struct Bars<'a> {
    pub(crate) title: &'a str,
    /// Name, length, and the length as text.
    pub(crate) bars: Vec<(String, f64, String)>,
}

impl Bars<'_> {
    pub(crate) fn draw(&self, file: &Path) {
        const ROW: i32 = 24;
        const LEFT: i32 = 290;
        const WIDTH: i32 = 390;
        let bars: Vec<_> = self.bars.iter().filter(|(_, length, _)| length.is_finite() && *length > 0.0).collect();
        let rows = i32::try_from(bars.len()).unwrap_or(0);
        let height = u32::try_from(50 + ROW * rows).unwrap_or(50);
        let area = SVGBackend::new(file, (800, height)).into_drawing_area();
        let longest = bars.iter().map(|bar| bar.1).fold(f64::MIN_POSITIVE, f64::max);
        let shortest = bars.iter().map(|bar| bar.1).fold(longest, f64::min);
        let is_log = longest / shortest > 30.0;
        let length = |value: f64| {
            let share =
                if is_log { (value / shortest * 2.0).ln() / (longest / shortest * 2.0).ln() } else { value / longest };
            #[expect(clippy::cast_possible_truncation, reason = "at most WIDTH")]
            let pixels = (share * f64::from(WIDTH)) as i32;
            pixels.max(1)
        };
        let right = Pos::new(HPos::Right, VPos::Center);
        let left = Pos::new(HPos::Left, VPos::Center);
        let title = if is_log { format!("{} (logarithmic)", self.title) } else { self.title.to_owned() };
        let mut drawn = area.fill(&WHITE).is_ok();
        drawn &= area.draw(&Text::new(title, (16, 14), ("sans-serif", 17).into_font().color(&INK))).is_ok();
        for (at, (name, value, text)) in (0..).zip(&bars) {
            let top = 42 + ROW * at;
            let middle = top + ROW / 2 - 3;
            let end = LEFT + length(*value);
            let color = if name.starts_with("ours") { BLUE } else { GREY };
            let font = || ("sans-serif", 13).into_font().color(&INK);
            let bar = Rectangle::new([(LEFT, top), (end, top + ROW - 6)], color.filled());
            drawn &= area.draw(&bar).is_ok();
            drawn &= area.draw(&Text::new(name.clone(), (LEFT - 8, middle), font().pos(right))).is_ok();
            drawn &= area.draw(&Text::new(text.clone(), (end + 6, middle), font().pos(left))).is_ok();
        }
        assert!(drawn && area.present().is_ok(), "{} can be written", file.display());
    }
}

/// Lines over a common axis, both axes logarithmic.
#[derive(Debug)]
pub(crate) struct Lines<'a> {
    pub(crate) title: &'a str,
    pub(crate) x: &'a str,
    pub(crate) y: &'a str,
    pub(crate) lines: Vec<(String, Vec<(f64, f64)>)>,
}

impl Lines<'_> {
    pub(crate) fn draw(&self, file: &Path) {
        let area = SVGBackend::new(file, (800, 420)).into_drawing_area();
        self.draw_on(&area).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }

    fn draw_on(
        &self,
        area: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
    ) -> Result<(), Box<dyn std::error::Error>> {
        area.fill(&WHITE)?;
        let points = || self.lines.iter().flat_map(|(_, points)| points);
        let (x, y) = (range(points().map(|point| point.0)), range(points().map(|point| point.1)));
        let mut chart = ChartBuilder::on(area)
            .caption(self.title, ("sans-serif", 17).into_font().color(&INK))
            .margin(14)
            .x_label_area_size(42)
            .y_label_area_size(72)
            .build_cartesian_2d(x.log_scale(), y.log_scale())?;
        chart.configure_mesh().x_desc(self.x).y_desc(self.y).light_line_style(WHITE).draw()?;
        for ((name, points), color) in self.lines.iter().zip(PALETTE.into_iter().cycle()) {
            let points = points.iter().copied().filter(|point| point.0 > 0.0 && point.1 > 0.0);
            let series = chart.draw_series(LineSeries::new(points.clone(), color.stroke_width(2)))?;
            series.label(name).legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], color.stroke_width(2)));
            chart.draw_series(points.map(|point| Circle::new(point, 3, color.filled())))?;
        }
        let mut legend = chart.configure_series_labels();
        let legend = legend.position(SeriesLabelPosition::UpperLeft);
        legend.background_style(WHITE.mix(0.8)).draw()?;
        area.present()?;
        Ok(())
    }
}

fn range(values: impl Iterator<Item = f64>) -> Range<f64> {
    let values: Vec<f64> = values.filter(|value| *value > 0.0).collect();
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(0.0, f64::max);
    if values.is_empty() { 1.0..10.0 } else { least / 1.2..most * 1.5 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_shows_every_bar_and_every_line_by_name() {
        let place = tempfile::tempdir().expect("a temporary directory can be made");
        let file = place.path().join("chart.svg");
        let bars = vec![("ours".to_owned(), 0.2, "0.20".to_owned()), ("moka".to_owned(), 1.0, "1.00".to_owned())];
        Bars { title: "hits", bars }.draw(&file);
        let text = std::fs::read_to_string(&file).expect("the chart was written");
        assert!(["hits", "ours", "moka", "0.20"].iter().all(|word| text.contains(word)), "{text}");
        let lines = vec![("messages".to_owned(), vec![(1.0, 1.0), (100.0, 1e4)])];
        Lines { title: "growth", x: "nodes", y: "messages/s", lines }.draw(&file);
        let text = std::fs::read_to_string(&file).expect("the chart was written");
        assert!(["growth", "nodes", "messages"].iter().all(|word| text.contains(word)), "{text}");
    }
}
