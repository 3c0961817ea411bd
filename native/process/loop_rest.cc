#include "loop_rest.h"

#include <poll.h>

namespace penstock {

bool RestUntilMessage(const uv_loop_t* loop, int most_ms) {
  // What all uv_async_send of a loop write to, and what only the loop empties.
  pollfd messages{loop->async_io_watcher.fd, POLLIN, 0};
  return poll(&messages, 1, most_ms) > 0;
}

}  // namespace penstock
