//! From any number of channels to one or two.

use std::f32::consts::FRAC_1_SQRT_2;

/// Where a channel is heard: its share in the left and in the right output.
#[derive(Clone, Copy)]
struct Place {
    left: f32,
    right: f32,
}

const LEFT: Place = Place { left: 1.0, right: 0.0 };
const RIGHT: Place = Place { left: 0.0, right: 1.0 };
const CENTRE: Place = Place { left: FRAC_1_SQRT_2, right: FRAC_1_SQRT_2 };
const BACK_LEFT: Place = Place { left: FRAC_1_SQRT_2, right: 0.0 };
const BACK_RIGHT: Place = Place { left: 0.0, right: FRAC_1_SQRT_2 };
const BACK: Place = Place { left: 0.5, right: 0.5 };
/// ITU-R BS.775-3 Annex 4 leaves the effects channel out.
const EFFECTS: Place = Place { left: 0.0, right: 0.0 };

/// The channels in WAVE order, by their number (ISO/IEC 14496-3 Table 1.19).
const LAYOUTS: [&[Place]; 8] = [
    &[CENTRE],
    &[LEFT, RIGHT],
    &[LEFT, RIGHT, CENTRE],
    &[LEFT, RIGHT, CENTRE, BACK],
    &[LEFT, RIGHT, CENTRE, BACK_LEFT, BACK_RIGHT],
    &[LEFT, RIGHT, CENTRE, EFFECTS, BACK_LEFT, BACK_RIGHT],
    &[LEFT, RIGHT, CENTRE, EFFECTS, BACK, BACK_LEFT, BACK_RIGHT],
    &[LEFT, RIGHT, CENTRE, EFFECTS, BACK_LEFT, BACK_RIGHT, BACK_LEFT, BACK_RIGHT],
];

/// Far above full scale, and far below where the arithmetic of a filter would overflow.
const LIMIT: f32 = 8.0;

/// Appends `input`, interleaved with `from` channels, to `output` with `to` (1 or 2) channels.
///
/// More than two channels are mixed by ITU-R BS.775-3 Table 2 and scaled so that full scale everywhere stays full
/// scale. Decoders may make any float of hostile bytes: what is not a number becomes silence here, and the rest is
/// bounded.
pub(crate) fn remix(input: &[f32], from: u8, to: u8, output: &mut Vec<f32>) {
    let clean = |value: f32| if value.is_finite() { value.clamp(-LIMIT, LIMIT) } else { 0.0 };
    match (from, to) {
        (1, 2) => output.extend(input.iter().flat_map(|&value| [clean(value); 2])),
        (2, 1) => output.extend(input.as_chunks::<2>().0.iter().map(|pair| clean((pair[0] + pair[1]) * 0.5))),
        (from, to) if from == to && input.iter().all(|value| value.abs() <= LIMIT) => {
            output.extend_from_slice(input)
        }
        (from, to) if from == to => output.extend(input.iter().copied().map(clean)),
        (from, to) => fold(input, usize::from(from), to, |value| output.push(clean(value))),
    }
}

fn fold(input: &[f32], from: usize, to: u8, mut push: impl FnMut(f32)) {
    let layout = LAYOUTS.get(from.wrapping_sub(1)).copied().unwrap_or(LAYOUTS[1]);
    let scale = 1.0 / layout.iter().map(|place| place.left).sum::<f32>();
    for sample in input.chunks_exact(from.max(1)) {
        let sum = |share: fn(&Place) -> f32| -> f32 {
            sample.iter().zip(layout).map(|(value, place)| value * share(place)).sum::<f32>() * scale
        };
        let (left, right) = (sum(|place| place.left), sum(|place| place.right));
        if to == 1 {
            push((left + right) * 0.5);
        } else {
            push(left);
            push(right);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remixed(input: &[f32], from: u8, to: u8) -> Vec<f32> {
        let mut output = Vec::new();
        remix(input, from, to, &mut output);
        output
    }

    #[test]
    fn one_and_two_channels() {
        assert_eq!(remixed(&[0.5, -0.5], 1, 2), [0.5, 0.5, -0.5, -0.5]);
        assert_eq!(remixed(&[0.5, 0.25, -1.0, 1.0], 2, 1), [0.375, 0.0]);
        assert_eq!(remixed(&[0.1, 0.2], 2, 2), [0.1, 0.2]);
    }

    #[test]
    fn full_scale_in_every_channel_stays_full_scale() {
        for from in 3..=8 {
            for to in 1..=2 {
                for value in remixed(&vec![1.0; usize::from(from) * 4], from, to) {
                    assert!((value - 1.0).abs() < 1e-6, "{from} -> {to}: {value}");
                }
            }
        }
    }

    #[test]
    fn five_one_keeps_the_sides_apart_and_the_centre_loudest_in_both() {
        let left_only = remixed(&[1.0, 0.0, 0.0, 0.0, 0.0, 0.0], 6, 2);
        assert!(left_only[0] > 0.4 && left_only[1] == 0.0);
        let centre_only = remixed(&[0.0, 0.0, 1.0, 0.0, 0.0, 0.0], 6, 2);
        assert_eq!(centre_only[0], centre_only[1]);
        assert_eq!(remixed(&[0.0, 0.0, 0.0, 1.0, 0.0, 0.0], 6, 1), [0.0], "the effects channel is left out");
    }

    #[test]
    fn hostile_floats_become_harmless() {
        let output = remixed(&[f32::NAN, f32::INFINITY, f32::MAX, -1.0], 1, 1);
        assert_eq!(output, [0.0, 0.0, LIMIT, -1.0]);
        assert!(remixed(&[f32::MAX; 6], 6, 2).iter().all(|value| value.is_finite()));
        assert!(remixed(&[1.0; 40], 20, 2).iter().all(|value| value.is_finite()));
    }
}
