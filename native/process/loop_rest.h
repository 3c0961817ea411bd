// A moment in which the loop of a thread looks at nothing but what other threads send it.
#pragma once

#include <uv.h>

namespace penstock {

// Waits until another thread has something for `loop` (uv_async_send), at most `most_ms`. Sockets and timers wait too.
// To be called on the loop's thread. True where there is something: the loop finds it when it turns.
bool RestUntilMessage(const uv_loop_t* loop, int most_ms);

}  // namespace penstock
