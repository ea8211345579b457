//! AAC-LC encoding.

use std::os::raw::{c_int, c_void};
use std::ptr::{self, NonNull};

use bytes::Bytes;
use fdk_aac_sys as sys;
use media::{Rate, aac};

use super::LIBRARY;
use crate::CodecError;
use crate::codec::{EncoderSettings, to_i16};

/// Modules of an instance (`aacenc_lib.h`, `aacEncOpen`): the AAC core alone, which AAC-LC needs.
const AAC_MODULE: u32 = 0x01;
/// With SBR and parametric stereo, which take memory and time to set up.
const ALL_MODULES: u32 = 0;

pub(crate) struct Encoder {
    handle: Handle,
    samples: usize,
    delay: usize,
    settings: EncoderSettings,
    pcm: Vec<i16>,
    packet: Vec<u8>,
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("fdk::Encoder").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Encoder {
    pub(crate) fn new(settings: EncoderSettings) -> Result<Self, CodecError> {
        Self::with_parameters(settings, &[])
    }

    /// An encoder with other parameters than AAC-LC at 48 kHz: tests take their HE-AAC input from it.
    pub(super) fn with_parameters(
        settings: EncoderSettings,
        other: &[(sys::AACENC_PARAM, u32)],
    ) -> Result<Self, CodecError> {
        let modules = if other.is_empty() { AAC_MODULE } else { ALL_MODULES };
        let mut handle = Handle::open(modules, u32::from(settings.channels))?;
        let usual = [
            (sys::AACENC_PARAM_AACENC_AOT, u32::from(aac::LC)),
            (sys::AACENC_PARAM_AACENC_SAMPLERATE, Rate::OPUS.hz()),
            (sys::AACENC_PARAM_AACENC_CHANNELMODE, u32::from(settings.channels)),
            (sys::AACENC_PARAM_AACENC_CHANNELORDER, 1), // WAVE order
            (sys::AACENC_PARAM_AACENC_BITRATEMODE, 0),  // constant: players size their buffers by it
            (sys::AACENC_PARAM_AACENC_BITRATE, settings.bitrate),
            (sys::AACENC_PARAM_AACENC_TRANSMUX, 0), // raw access units
            (sys::AACENC_PARAM_AACENC_AFTERBURNER, 1), // the better search
        ];
        for (parameter, value) in usual.iter().chain(other) {
            handle.set(*parameter, *value)?;
        }
        handle.initialize()?;
        let info = handle.info()?;
        let samples = info.frameLength as usize;
        Ok(Self {
            handle,
            samples,
            delay: info.nDelay as usize,
            settings,
            pcm: Vec::with_capacity(samples * usize::from(settings.channels)),
            packet: vec![0; info.maxOutBufBytes as usize],
        })
    }

    /// The AudioSpecificConfig that the library would announce.
    #[cfg(test)]
    pub(super) fn config(&mut self) -> Bytes {
        let info = self.handle.info().expect("an initialised encoder describes itself");
        Bytes::copy_from_slice(&info.confBuf[..info.confSize as usize])
    }
}

impl crate::codec::Encoder for Encoder {
    fn samples(&self) -> usize {
        self.samples
    }

    fn delay(&self) -> usize {
        self.delay
    }

    fn encode(&mut self, pcm: &[f32]) -> Result<Bytes, CodecError> {
        self.pcm.clear();
        self.pcm.extend(pcm.iter().copied().map(to_i16));
        let length = self.handle.encode(&mut self.pcm, &mut self.packet)?;
        Ok(Bytes::copy_from_slice(&self.packet[..length]))
    }
}

/// An encoder instance of the library.
struct Handle(NonNull<sys::AACENCODER>);

#[expect(unsafe_code, reason = "the handle is a raw pointer")]
// SAFETY: the instance has no thread-local state (it is plain memory from `aacEncOpen`), and only the owner of this
// value can reach it, through `&mut`.
unsafe impl Send for Handle {}

impl Handle {
    #[expect(unsafe_code, reason = "calls aacEncOpen")]
    fn open(modules: u32, channels: u32) -> Result<Self, CodecError> {
        let mut handle = ptr::null_mut();
        // SAFETY: `handle` is a valid place for the result.
        check(unsafe { sys::aacEncOpen(&raw mut handle, modules, channels) }, CodecError::setup)?;
        NonNull::new(handle).map(Self).ok_or_else(|| CodecError::setup(LIBRARY, "no instance"))
    }

    #[expect(unsafe_code, reason = "calls aacEncoder_SetParam")]
    fn set(&mut self, parameter: sys::AACENC_PARAM, value: u32) -> Result<(), CodecError> {
        // SAFETY: the handle is live until `drop`; the library checks parameter and value.
        check(
            unsafe { sys::aacEncoder_SetParam(self.0.as_ptr(), parameter, value) },
            |library, code: String| {
                CodecError::setup(library, format_args!("parameter {parameter:#x} = {value}: {code}"))
            },
        )
    }

    /// Applies the parameters.
    #[expect(unsafe_code, reason = "calls aacEncEncode")]
    #[expect(clippy::needless_pass_by_ref_mut, reason = "the library changes the instance")]
    fn initialize(&mut self) -> Result<(), CodecError> {
        let handle = self.0.as_ptr();
        // SAFETY: the library documents that a call with null descriptors only initialises a live handle.
        let code =
            unsafe { sys::aacEncEncode(handle, ptr::null(), ptr::null(), ptr::null(), ptr::null_mut()) };
        check(code, CodecError::setup)
    }

    #[expect(unsafe_code, reason = "calls aacEncInfo")]
    fn info(&mut self) -> Result<sys::AACENC_InfoStruct, CodecError> {
        let mut info = sys::AACENC_InfoStruct {
            maxOutBufBytes: 0,
            maxAncBytes: 0,
            inBufFillLevel: 0,
            inputChannels: 0,
            frameLength: 0,
            nDelay: 0,
            nDelayCore: 0,
            confBuf: [0; 64],
            confSize: 0,
        };
        // SAFETY: the handle is live, `info` is a valid place for the result.
        check(unsafe { sys::aacEncInfo(self.0.as_ptr(), &raw mut info) }, CodecError::setup)?;
        Ok(info)
    }

    /// Encodes one frame and returns the length of the packet.
    #[expect(unsafe_code, reason = "calls aacEncEncode")]
    fn encode(&mut self, pcm: &mut [i16], packet: &mut [u8]) -> Result<usize, CodecError> {
        let mut input = pcm.as_mut_ptr().cast::<c_void>();
        let mut input_kind = sys::AACENC_BufferIdentifier_IN_AUDIO_DATA as c_int;
        let mut input_size = length(size_of_val(pcm))?;
        let mut input_element = size_of::<i16>() as c_int;
        let mut output = packet.as_mut_ptr().cast::<c_void>();
        let mut output_kind = sys::AACENC_BufferIdentifier_OUT_BITSTREAM_DATA as c_int;
        let mut output_size = length(packet.len())?;
        let mut output_element = size_of::<u8>() as c_int;
        let input_buffers = sys::AACENC_BufDesc {
            numBufs: 1,
            bufs: &raw mut input,
            bufferIdentifiers: &raw mut input_kind,
            bufSizes: &raw mut input_size,
            bufElSizes: &raw mut input_element,
        };
        let output_buffers = sys::AACENC_BufDesc {
            numBufs: 1,
            bufs: &raw mut output,
            bufferIdentifiers: &raw mut output_kind,
            bufSizes: &raw mut output_size,
            bufElSizes: &raw mut output_element,
        };
        let arguments = sys::AACENC_InArgs { numInSamples: length(pcm.len())?, numAncBytes: 0 };
        let mut result =
            sys::AACENC_OutArgs { numOutBytes: 0, numInSamples: 0, numAncBytes: 0, bitResState: 0 };
        // SAFETY: the handle is live; both descriptors hold one buffer each, whose pointer and size in bytes are those
        // of a slice that is borrowed until the call returns; everything they point to lives on this stack frame.
        let code = unsafe {
            sys::aacEncEncode(
                self.0.as_ptr(),
                &raw const input_buffers,
                &raw const output_buffers,
                &raw const arguments,
                &raw mut result,
            )
        };
        check(code, CodecError::encode)?;
        if result.numInSamples != arguments.numInSamples {
            return Err(CodecError::encode(LIBRARY, "not all samples were taken"));
        }
        usize::try_from(result.numOutBytes)
            .ok()
            .filter(|&bytes| bytes > 0 && bytes <= packet.len())
            .ok_or_else(|| CodecError::encode(LIBRARY, "no packet"))
    }
}

impl Drop for Handle {
    #[expect(unsafe_code, reason = "calls aacEncClose")]
    fn drop(&mut self) {
        let mut handle = self.0.as_ptr();
        // SAFETY: the handle is live and never used again.
        unsafe { sys::aacEncClose(&raw mut handle) };
    }
}

fn length(value: usize) -> Result<c_int, CodecError> {
    c_int::try_from(value).map_err(|_| CodecError::encode(LIBRARY, "the frame is too long"))
}

fn check(
    code: sys::AACENC_ERROR,
    error: impl FnOnce(&'static str, String) -> CodecError,
) -> Result<(), CodecError> {
    if code == sys::AACENC_ERROR_AACENC_OK {
        return Ok(());
    }
    Err(error(LIBRARY, format!("code {code:#x}")))
}
