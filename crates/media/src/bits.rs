//! Reading single bits, most significant first, as H.264 §7.2 and ISO/IEC 14496-3 write them.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

/// Why a value could not be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum BitError {
    /// The data end inside the value.
    End {
        /// Where the value starts, in bits from the beginning.
        bit: usize,
    },
    /// An Exp-Golomb code of more than 32 bits of value.
    ExpGolomb {
        /// Where the code starts, in bits from the beginning.
        bit: usize,
    },
}

/// A cursor over bits. Cheap to copy, so a caller can look ahead on a copy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BitReader<'a> {
    bytes: &'a [u8],
    bit: usize,
}

impl<'a> BitReader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, bit: 0 }
    }

    /// Bits left.
    pub(crate) const fn remaining(&self) -> usize {
        self.bytes.len().saturating_mul(8).saturating_sub(self.bit)
    }

    /// Bits read or skipped since the beginning.
    pub(crate) const fn position(&self) -> usize {
        self.bit
    }

    pub(crate) fn flag(&mut self) -> Result<bool, BitError> {
        let byte = self.bytes.get(self.bit >> 3).ok_or(BitError::End { bit: self.bit })?;
        let set = byte & (0x80 >> (self.bit & 7)) != 0;
        self.bit = self.bit.saturating_add(1);
        Ok(set)
    }

    /// An unsigned number of `count` bits; bits above 32 are lost.
    pub(crate) fn bits(&mut self, count: usize) -> Result<u32, BitError> {
        if count > self.remaining() {
            return Err(BitError::End { bit: self.bit });
        }
        let mut value = 0;
        for _ in 0..count {
            value = (value << 1) | u32::from(self.flag()?);
        }
        Ok(value)
    }

    /// An unsigned number of up to 8 bits.
    pub(crate) fn small(&mut self, count: usize) -> Result<u8, BitError> {
        debug_assert!(count <= 8, "the value does not fit");
        self.bits(count).map(|value| value.to_le_bytes()[0])
    }

    pub(crate) fn skip(&mut self, count: usize) -> Result<(), BitError> {
        if count > self.remaining() {
            return Err(BitError::End { bit: self.bit });
        }
        self.bit = self.bit.saturating_add(count);
        Ok(())
    }

    /// Skips to the next whole byte, counted from the beginning.
    pub(crate) fn align(&mut self) -> Result<(), BitError> {
        self.skip(self.bit.wrapping_neg() & 7)
    }

    /// `ue(v)` of H.264 §9.1: at most 31 leading zeros, so the value is below 2^32 - 1.
    pub(crate) fn ue(&mut self) -> Result<u32, BitError> {
        let start = self.bit;
        let mut zeros = 0_usize;
        while !self.flag()? {
            zeros = zeros.saturating_add(1);
            if zeros > 31 {
                return Err(BitError::ExpGolomb { bit: start });
            }
        }
        let offset = (1_u32 << zeros).saturating_sub(1);
        Ok(self.bits(zeros)?.saturating_add(offset))
    }

    /// `se(v)` of H.264 §9.1.1: 0, 1, -1, 2, -2, ...
    pub(crate) fn se(&mut self) -> Result<i32, BitError> {
        let code = i64::from(self.ue()?);
        let magnitude = code.saturating_add(1) >> 1;
        let value = if code & 1 == 1 { magnitude } else { magnitude.saturating_neg() };
        Ok(i32::try_from(value).unwrap_or(i32::MAX))
    }
}

/// Bits written one after the other, for the tests' round trips and the configurations that we write.
#[derive(Debug, Default)]
pub(crate) struct BitWriter {
    bytes: Vec<u8>,
    free: u32,
}

impl BitWriter {
    /// The low `count` bits of `value`, at most 32.
    pub(crate) fn bits(&mut self, value: u32, count: u32) {
        for shift in (0..count).rev() {
            if self.free == 0 {
                self.bytes.push(0);
                self.free = 8;
            }
            self.free = self.free.saturating_sub(1);
            let bit = u8::from((value >> shift) & 1 == 1);
            if let Some(last) = self.bytes.last_mut() {
                *last |= bit << self.free;
            }
        }
    }

    /// The bytes; the last one is filled up with zeros.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        reason = "the test's own numbers; a panic is a failure"
    )]

    use proptest::prelude::*;

    use super::*;

    impl BitWriter {
        pub(crate) fn ue(&mut self, value: u32) {
            let code = u64::from(value) + 1;
            let length = u64::BITS - code.leading_zeros();
            self.bits(0, length - 1);
            self.bits((code >> 16) as u32 >> 16, length.saturating_sub(32));
            self.bits(code as u32, length.min(32));
        }

        pub(crate) fn se(&mut self, value: i32) {
            self.ue(if value > 0 { value as u32 * 2 - 1 } else { value.unsigned_abs() * 2 });
        }
    }

    #[test]
    fn exp_golomb_of_the_standards_table() {
        // H.264 table 9-2: 1, 010, 011, 00100, 00101
        let mut reader = BitReader::new(&[0b1010_0110, 0b0100_0010, 0b1000_0000]);
        let values: Vec<_> = (0..5).map(|_| reader.ue().unwrap()).collect();
        assert_eq!(values, [0, 1, 2, 3, 4]);
    }

    #[test]
    fn a_code_without_end_is_refused_at_its_start() {
        let mut reader = BitReader::new(&[0x80, 0, 0, 0, 0, 0]);
        assert_eq!(reader.ue(), Ok(0));
        assert_eq!(reader.ue(), Err(BitError::ExpGolomb { bit: 1 }));
        assert_eq!(BitReader::new(&[0, 0]).ue(), Err(BitError::End { bit: 16 }));
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(ues in prop::collection::vec(0..u32::MAX - 1, 1..20), ses in prop::collection::vec(-1_000_000..1_000_000_i32, 1..20)) {
            let mut writer = BitWriter::default();
            ues.iter().for_each(|&value| writer.ue(value));
            ses.iter().for_each(|&value| writer.se(value));
            let bytes = writer.into_bytes();
            let mut reader = BitReader::new(&bytes);
            for value in ues {
                prop_assert_eq!(reader.ue(), Ok(value));
            }
            for value in ses {
                prop_assert_eq!(reader.se(), Ok(value));
            }
            prop_assert!(reader.remaining() < 8);
        }
    }
}
