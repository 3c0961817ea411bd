// What each lane runs, in a file-backed page that outlives the process, and a signal handler that adds which one
// faulted.
#pragma once

#include <cstddef>
#include <cstdint>

namespace penstock {

// Set in a slot by the thread that faulted while it ran what the slot names.
inline constexpr uint32_t kFaultBit = 0x80000000u;
inline constexpr size_t kMostCrashSlots = 1024;

// Maps `slots` numbers at the start of the file, once per process, and installs the handlers. The mapping stays for the
// life of the process. Null where that fails or was done before.
uint32_t* MapCrashMarks(int file, size_t slots);

// From now on the calling thread runs what `slot` names.
void ClaimCrashMark(size_t slot);

}  // namespace penstock
