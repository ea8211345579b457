//! The last second of a stream, in figures.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// What the figures are about.
const WINDOW: Duration = Duration::from_secs(1);
/// Without anything for so long, the stream is gone; its publisher may have left without a word.
const GONE: Duration = Duration::from_secs(2);
/// The most that is kept of one second, of each kind.
const MOST: usize = 1_000;
/// The level of digital silence, whose logarithm JSON cannot hold.
const FLOOR_DBFS: f64 = -120.0;
/// Pictures no further apart are the start of the stream, squeezed for a reader who has just joined.
const SQUEEZED_MS: u32 = 1;

/// What is measured at the patient's end; `None` where it is unknown.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(super) struct Figures {
    /// Whether anything arrives.
    pub(super) connected: bool,
    /// Pictures in the last second.
    pub(super) pictures: Option<usize>,
    /// Width and height in pixels.
    pub(super) size: Option<(u32, u32)>,
    /// Mean power of the last second, in dB of a full-scale square wave (a full-scale sine has -3).
    pub(super) level_dbfs: Option<f64>,
    /// From the server's ingest to here in ms: the median of the last second.
    pub(super) delay_ms: Option<f64>,
}

impl Figures {
    /// The answer of `GET /demo/patient`.
    pub(super) fn to_json(self) -> serde_json::Value {
        let hundredths = |value: f64| (value * 100.0).round() / 100.0;
        serde_json::json!({
            "connected": self.connected,
            "video_fps": self.pictures,
            "video_width": self.size.map(|(width, _)| width),
            "video_height": self.size.map(|(_, height)| height),
            "audio_level_dbfs": self.level_dbfs.map(hundredths),
            "delay_ms": self.delay_ms.map(hundredths),
        })
    }
}

/// What came in the last second.
#[derive(Debug, Default)]
pub(super) struct Window {
    /// Width and height of the pictures in pixels.
    pub(super) size: Option<(u32, u32)>,
    stamp: Option<u32>,
    last: Option<Instant>,
    /// When each picture came, and how long it took.
    pictures: VecDeque<(Instant, Option<Duration>)>,
    /// When each frame of sound came, the sum of its squares, and of how many samples.
    sounds: VecDeque<(Instant, f64, usize)>,
}

impl Window {
    /// A picture with its RTMP timestamp came at `now`, after `delay` if that is known.
    pub(super) fn picture(&mut self, now: Instant, stamp: u32, delay: Option<Duration>) {
        self.last = Some(now);
        let squeezed = self.stamp.is_some_and(|before| stamp.wrapping_sub(before) <= SQUEEZED_MS);
        self.stamp = Some(stamp);
        if !squeezed {
            push(&mut self.pictures, (now, delay));
        }
    }

    /// Sound came at `now`.
    pub(super) fn sound(&mut self, now: Instant, samples: &[f32]) {
        self.last = Some(now);
        let squares = samples.iter().map(|&sample| f64::from(sample).powi(2)).sum();
        push(&mut self.sounds, (now, squares, samples.len()));
    }

    /// The figures of the second before `now`.
    pub(super) fn figures(&self, now: Instant) -> Figures {
        let within = |at: Instant, span| now.saturating_duration_since(at) < span;
        if !self.last.is_some_and(|last| within(last, GONE)) {
            return Figures::default();
        }
        let pictures = self.pictures.iter().filter(|(at, _)| within(*at, WINDOW));
        let sounds = self.sounds.iter().filter(|(at, ..)| within(*at, WINDOW));
        let (squares, count) =
            sounds.fold((0.0, 0), |(squares, count), sound| (squares + sound.1, count + sound.2));
        let mut delays: Vec<_> = pictures.clone().filter_map(|(_, delay)| *delay).collect();
        delays.sort_unstable();
        Figures {
            connected: true,
            pictures: self.stamp.map(|_| pictures.count()),
            size: self.size,
            level_dbfs: (count > 0).then(|| level(squares / count as f64)),
            delay_ms: delays.get(delays.len() / 2).map(|delay| delay.as_secs_f64() * 1e3),
        }
    }
}

fn push<T>(queue: &mut VecDeque<T>, item: T) {
    if queue.len() == MOST {
        queue.pop_front();
    }
    queue.push_back(item);
}

/// dBFS of a mean power.
fn level(power: f64) -> f64 {
    (10.0 * power.log10()).max(FLOOR_DBFS)
}

#[cfg(test)]
mod tests {
    use std::f32::consts::TAU;

    use super::*;

    const SIZE: Option<(u32, u32)> = Some((640, 480));

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn the_figures_are_those_of_the_last_second() {
        let start = Instant::now();
        let mut window = Window { size: SIZE, ..Window::default() };
        // 2 s at 10 pictures a second with 100 ms, then 1 s at 25 with 4 ms, one of them late.
        for number in 0..20_u32 {
            window.picture(start + millis(100) * number, number * 100, Some(millis(100)));
        }
        for number in 0..25_u32 {
            let delay = if number == 3 { 90 } else { 4 };
            window.picture(
                start + millis(2_000 + 40 * u64::from(number)),
                2_000 + number * 40,
                Some(millis(delay)),
            );
        }
        let figures = window.figures(start + millis(2_999));
        assert_eq!((figures.connected, figures.size), (true, SIZE));
        assert_eq!((figures.pictures, figures.delay_ms), (Some(25), Some(4.0)));
        assert_eq!(figures.level_dbfs, None, "no sound");
    }

    #[test]
    fn a_doctor_who_is_gone_leaves_no_figures() {
        let start = Instant::now();
        let mut window = Window { size: SIZE, ..Window::default() };
        assert_eq!(window.figures(start), Figures::default());
        window.picture(start, 0, Some(millis(5)));
        window.sound(start, &[0.5; 1_024]);
        let stalled = window.figures(start + millis(1_500));
        assert_eq!((stalled.connected, stalled.pictures), (true, Some(0)));
        assert_eq!((stalled.level_dbfs, stalled.delay_ms), (None, None));
        let gone = window.figures(start + millis(2_000));
        assert_eq!(gone, Figures::default());
        let json = r#"{"audio_level_dbfs":null,"connected":false,"delay_ms":null,"video_fps":null,"video_height":null,"video_width":null}"#;
        assert_eq!(gone.to_json().to_string(), json);
    }

    #[test]
    fn the_burst_at_the_start_is_not_a_rate() {
        let start = Instant::now();
        let mut window = Window::default();
        for stamp in 951..=1_000 {
            window.picture(start, stamp, None);
        }
        window.picture(start + millis(33), 1_033, Some(millis(3)));
        assert_eq!(window.figures(start + millis(40)).pictures, Some(2));
    }

    #[test]
    fn the_level_is_the_mean_power() {
        let level = |amplitude: f32| {
            let sine: Vec<_> =
                (0..48_000).map(|n| amplitude * (n as f32 * TAU * 1_000.0 / 48_000.0).sin()).collect();
            let mut window = Window::default();
            let now = Instant::now();
            sine.chunks(1_024).for_each(|frame| window.sound(now, frame));
            window.figures(now).level_dbfs.unwrap()
        };
        assert!((level(1.0) + 3.01).abs() < 0.01, "{}", level(1.0));
        assert!((level(0.1) + 23.01).abs() < 0.01, "{}", level(0.1));
        assert_eq!(level(0.0), FLOOR_DBFS);
    }

    #[test]
    fn nothing_grows_without_end() {
        let mut window = Window::default();
        for number in 0..5_000_u32 {
            window.picture(Instant::now(), number * 10, None);
            window.sound(Instant::now(), &[0.0]);
        }
        assert_eq!((window.pictures.len(), window.sounds.len()), (MOST, MOST));
    }
}
