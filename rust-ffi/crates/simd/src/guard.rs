#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use std::arch::asm;
use std::marker::PhantomData;

/// The thread's floating-point mode as the kernels need it, put back on drop.
///
/// Another native library may have set flush-to-zero for speed, which would
/// change results and stored bytes. While a guard lives, denormals count and
/// rounding is to nearest, ties to even. Costs a few nanoseconds: take one
/// around each build or search.
#[must_use = "the mode is put back when the guard is dropped"]
pub struct FloatGuard {
    saved: Mode,
    /// The mode belongs to the thread, so the guard must not move to another.
    _not_send: PhantomData<*const ()>,
}

#[cfg(target_arch = "x86_64")]
type Mode = u32;
#[cfg(target_arch = "aarch64")]
type Mode = u64;
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
type Mode = ();

impl FloatGuard {
    /// Sets the mode for this thread.
    pub fn new() -> FloatGuard {
        let saved = read_mode();
        write_mode(default_mode(saved));
        FloatGuard {
            saved,
            _not_send: PhantomData,
        }
    }
}

impl Default for FloatGuard {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for FloatGuard {
    fn drop(&mut self) {
        write_mode(self.saved);
    }
}

/// MXCSR: DAZ is bit 6, the exception masks bits 7-12, rounding bits 13-14,
/// FTZ bit 15.
#[cfg(target_arch = "x86_64")]
fn default_mode(mode: Mode) -> Mode {
    (mode & !0xe040) | 0x1f80
}

#[cfg(target_arch = "x86_64")]
fn read_mode() -> Mode {
    let mut mode: u32 = 0;
    // SAFETY: stores the four bytes of MXCSR into `mode`.
    unsafe { asm!("stmxcsr [{}]", in(reg) &raw mut mode, options(nostack, preserves_flags)) };
    mode
}

#[cfg(target_arch = "x86_64")]
fn write_mode(mode: Mode) {
    // SAFETY: the value is MXCSR as it was, or that with bits 6 and 13-15
    // cleared and exceptions masked: no reserved bit is set, and no trap on.
    unsafe { asm!("ldmxcsr [{}]", in(reg) &raw const mode, options(nostack, preserves_flags)) };
}

/// FPCR: the trap enables are bits 8-15, FZ16 bit 19, rounding bits 22-23,
/// FZ bit 24, DN bit 25; AH and FIZ, which flush too, bits 1 and 0.
#[cfg(target_arch = "aarch64")]
fn default_mode(mode: Mode) -> Mode {
    mode & !(0b11 | 0x9f00 | (1 << 19) | (0b1111 << 22))
}

#[cfg(target_arch = "aarch64")]
fn read_mode() -> Mode {
    let mode: u64;
    // SAFETY: reads a register that every user program may read.
    unsafe { asm!("mrs {}, fpcr", out(reg) mode, options(nomem, nostack, preserves_flags)) };
    mode
}

#[cfg(target_arch = "aarch64")]
fn write_mode(mode: Mode) {
    // SAFETY: the value is FPCR as it was, or that with flushing, trapping and
    // directed rounding cleared.
    unsafe { asm!("msr fpcr, {}", in(reg) mode, options(nostack, preserves_flags)) };
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn default_mode(mode: Mode) -> Mode {
    mode
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn read_mode() -> Mode {}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn write_mode(_: Mode) {}
