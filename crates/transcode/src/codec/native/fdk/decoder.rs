//! AAC decoding: SBR, parametric stereo, 960-sample frames, more than two channels.

use std::os::raw::c_int;
use std::ptr::NonNull;

use fdk_aac_sys as sys;
use media::Rate;
use media::aac::AudioConfig;

use super::LIBRARY;
use crate::CodecError;
use crate::codec::Format;

/// Values in the largest frame: 8 channels of 2,048 samples (SBR doubles 1,024).
const MAX_VALUES: usize = 8 * 2_048;

/// Bytes of the largest access unit: 6,144 bits for each of 8 channels (ISO/IEC 14496-3 §4.5.3.1).
const MAX_PACKET: usize = 6_144;

pub(crate) struct Decoder {
    handle: Handle,
    delay: usize,
    /// The next call shall tell the library that the stream was interrupted.
    interrupted: bool,
    pcm: Vec<i16>,
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("fdk::Decoder").field("delay", &self.delay).finish_non_exhaustive()
    }
}

impl Decoder {
    pub(crate) fn new(config: &AudioConfig) -> Result<Self, CodecError> {
        let mut handle = Handle::open()?;
        // Neither may delay the output: the limiter looks 15 ms ahead, the default concealment one frame.
        handle.set(sys::AACDEC_PARAM_AAC_PCM_LIMITER_ENABLE, 0)?;
        handle.set(sys::AACDEC_PARAM_AAC_CONCEAL_METHOD, 1)?;
        handle.set(sys::AACDEC_PARAM_AAC_PCM_OUTPUT_CHANNEL_MAPPING, 1)?; // WAVE order
        handle.configure(config.bytes())?;
        Ok(Self { handle, delay: 0, interrupted: false, pcm: vec![0; MAX_VALUES] })
    }

    fn try_decode(&mut self, packet: &[u8], pcm: &mut Vec<f32>) -> Result<Format, CodecError> {
        if packet.is_empty() || packet.len() > MAX_PACKET {
            return Err(CodecError::corrupt(LIBRARY, "the access unit is empty or too long"));
        }
        self.handle.fill(packet)?;
        let flags = if std::mem::take(&mut self.interrupted) { sys::AACDEC_INTR } else { 0 };
        self.handle.decode(&mut self.pcm, flags)?;
        let shape = self.handle.shape()?;
        let values = shape.samples * usize::from(shape.format.channels);
        let made =
            self.pcm.get(..values).ok_or_else(|| CodecError::corrupt(LIBRARY, "the frame is too long"))?;
        pcm.extend(made.iter().map(|&value| f32::from(value) / 32_768.0));
        self.delay = shape.delay;
        Ok(shape.format)
    }
}

impl crate::codec::Decoder for Decoder {
    fn delay(&self) -> usize {
        self.delay
    }

    fn decode(&mut self, packet: &[u8], pcm: &mut Vec<f32>) -> Result<Format, CodecError> {
        let decoded = self.try_decode(packet, pcm);
        if decoded.is_err() {
            crate::codec::Decoder::reset(self);
        }
        decoded
    }

    fn conceal(
        &mut self,
        _samples: usize,
        _next: Option<&[u8]>,
        _pcm: &mut Vec<f32>,
    ) -> Result<(), CodecError> {
        Err(CodecError::NoConcealment { library: LIBRARY })
    }

    fn reset(&mut self) {
        // Drops what is left of a packet that was not understood; fails only for a dead handle, which this is not.
        let _ = self.handle.set(sys::AACDEC_PARAM_AAC_TPDEC_CLEAR_BUFFER, 1);
        self.interrupted = true;
    }
}

/// What the library says about the frame that it has just decoded.
struct Shape {
    format: Format,
    samples: usize,
    delay: usize,
}

/// A decoder instance of the library.
struct Handle(NonNull<sys::AAC_DECODER_INSTANCE>);

#[expect(unsafe_code, reason = "the handle is a raw pointer")]
// SAFETY: the instance has no thread-local state (it is plain memory from `aacDecoder_Open`), and only the owner of
// this value can reach it, through `&mut`.
unsafe impl Send for Handle {}

impl Handle {
    #[expect(unsafe_code, reason = "calls aacDecoder_Open")]
    fn open() -> Result<Self, CodecError> {
        // SAFETY: no precondition; the result may be null.
        let handle = unsafe { sys::aacDecoder_Open(sys::TRANSPORT_TYPE_TT_MP4_RAW, 1) };
        NonNull::new(handle).map(Self).ok_or_else(|| CodecError::setup(LIBRARY, "no instance"))
    }

    #[expect(unsafe_code, reason = "calls aacDecoder_SetParam")]
    fn set(&mut self, parameter: sys::AACDEC_PARAM, value: c_int) -> Result<(), CodecError> {
        // SAFETY: the handle is live until `drop`; the library checks parameter and value.
        check(unsafe { sys::aacDecoder_SetParam(self.0.as_ptr(), parameter, value) }, CodecError::setup)
    }

    /// Gives the AudioSpecificConfig.
    #[expect(unsafe_code, reason = "calls aacDecoder_ConfigRaw")]
    fn configure(&mut self, config: &[u8]) -> Result<(), CodecError> {
        let mut pointer = config.as_ptr().cast_mut();
        let length = size(config)?;
        // SAFETY: the handle is live; pointer and length are those of a borrowed slice, which the library reads only
        // (its parameter is not `const` by oversight: it hands it to `FDKinitBitStream` in reading mode).
        let code = unsafe { sys::aacDecoder_ConfigRaw(self.0.as_ptr(), &raw mut pointer, &raw const length) };
        check(code, CodecError::setup)
    }

    /// Copies one access unit into the library's buffer.
    #[expect(unsafe_code, reason = "calls aacDecoder_Fill")]
    fn fill(&mut self, packet: &[u8]) -> Result<(), CodecError> {
        let mut pointer = packet.as_ptr().cast_mut();
        let length = size(packet)?;
        let mut left = length;
        // SAFETY: as in `configure`; `left` is a valid place for the count of bytes that were not taken.
        let code = unsafe {
            sys::aacDecoder_Fill(self.0.as_ptr(), &raw mut pointer, &raw const length, &raw mut left)
        };
        check(code, CodecError::corrupt)?;
        if left == 0 { Ok(()) } else { Err(CodecError::corrupt(LIBRARY, "the access unit does not fit")) }
    }

    #[expect(unsafe_code, reason = "calls aacDecoder_DecodeFrame")]
    fn decode(&mut self, pcm: &mut [i16], flags: u32) -> Result<(), CodecError> {
        let length = c_int::try_from(pcm.len()).unwrap_or(c_int::MAX);
        // SAFETY: the handle is live; the library writes at most `length` values to the borrowed slice.
        let code = unsafe { sys::aacDecoder_DecodeFrame(self.0.as_ptr(), pcm.as_mut_ptr(), length, flags) };
        check(code, CodecError::corrupt)
    }

    #[expect(unsafe_code, reason = "calls aacDecoder_GetStreamInfo")]
    fn shape(&mut self) -> Result<Shape, CodecError> {
        // SAFETY: the handle is live; the result is null or points into the instance, which nothing changes while
        // `self` is borrowed, and only fields are copied out.
        let info = unsafe { sys::aacDecoder_GetStreamInfo(self.0.as_ptr()).as_ref() };
        let info = info.ok_or_else(|| CodecError::corrupt(LIBRARY, "no stream information"))?;
        let unknown = || CodecError::corrupt(LIBRARY, "no format");
        let rate = u32::try_from(info.sampleRate).ok().and_then(Rate::new).ok_or_else(unknown)?;
        let channels = u8::try_from(info.numChannels).ok().filter(|&count| count > 0).ok_or_else(unknown)?;
        let samples = usize::try_from(info.frameSize).map_err(|_| unknown())?;
        Ok(Shape { format: Format { rate, channels }, samples, delay: info.outputDelay as usize })
    }
}

impl Drop for Handle {
    #[expect(unsafe_code, reason = "calls aacDecoder_Close")]
    fn drop(&mut self) {
        // SAFETY: the handle is live and never used again.
        unsafe { sys::aacDecoder_Close(self.0.as_ptr()) };
    }
}

fn size(bytes: &[u8]) -> Result<u32, CodecError> {
    u32::try_from(bytes.len()).map_err(|_| CodecError::corrupt(LIBRARY, "too long"))
}

fn check(
    code: sys::AAC_DECODER_ERROR,
    error: impl FnOnce(&'static str, String) -> CodecError,
) -> Result<(), CodecError> {
    if code == sys::AAC_DECODER_ERROR_AAC_DEC_OK {
        return Ok(());
    }
    Err(error(LIBRARY, format!("code {code:#x}")))
}
