// The process and its threads: crash marks, the death of the parent, and rests.

#include <poll.h>
#include <uv.h>

#include "../process/crash_marks.h"
#include "../process/parent_watch.h"
#include "call.h"

namespace penstock {
namespace {

// Who waits longer is hung.
constexpr double kMostRestMs = 1000;

napi_value MapCrashMarksCall(napi_env env, napi_callback_info info) {
  const Arguments<2> arguments(env, info);
  const size_t slots = arguments.Count(1, kMostCrashSlots);
  uint32_t* marks = MapCrashMarks(static_cast<int>(arguments.Count(0, 2147483647.0)), slots);
  if (marks == nullptr) throw Napi::Error::New(env, "mapCrashMarks: the file cannot be mapped, or one is already");
  napi_value buffer;
  napi_value array;
  // No finalizer: the mapping stays for the life of the process.
  napi_create_external_arraybuffer(env, marks, slots * sizeof(uint32_t), nullptr, nullptr, &buffer);
  napi_create_typedarray(env, napi_uint32_array, slots, buffer, 0, &array);
  return array;
}

napi_value ClaimCrashMarkCall(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  ClaimCrashMark(arguments.Count(0, kMostCrashSlots - 1));
  return nullptr;
}

napi_value DieAfterParentCall(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  DieAfterParent(static_cast<uint32_t>(arguments.Count(0, 4294967295.0)));
  return nullptr;
}

napi_value RestCall(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  const int most_ms = static_cast<int>(arguments.Count(0, kMostRestMs));
  uv_loop_t* loop = nullptr;
  if (napi_get_uv_event_loop(env, &loop) != napi_ok) throw Napi::Error::New(env, "rest: this thread has no loop");
  // What every uv_async_send of other threads writes to, and what only the loop empties: it finds the message when it
  // turns.
  pollfd messages{loop->async_io_watcher.fd, POLLIN, 0};
  napi_value woken;
  napi_get_boolean(env, poll(&messages, 1, most_ms) > 0, &woken);
  return woken;
}

constexpr Export kCalls[] = {
    {"mapCrashMarks", Guard<MapCrashMarksCall>},
    {"claimCrashMark", Guard<ClaimCrashMarkCall>},
    {"dieAfterParent", Guard<DieAfterParentCall>},
    {"rest", Guard<RestCall>},
};

}  // namespace

std::span<const Export> ProcessCalls() { return kCalls; }

}  // namespace penstock
