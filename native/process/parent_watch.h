// Ends the process some time after its parent has ended, whatever its threads do: a run that never returns hears no
// signal that JavaScript handles, and nobody would be left to end it.
#pragma once

#include <cstdint>

namespace penstock {

// Watches from a thread of its own, from now on; once per process is enough.
void DieAfterParent(uint32_t grace_ms);

}  // namespace penstock
