// Bytes moved within and between memories, and given back to the system.

#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "call.h"

namespace penstock {
namespace {

// glibc takes no threshold above (M_MMAP_THRESHOLD, 64 bits); below, every little block would be a mapping of its own.
constexpr double kLeastHeapBound = 64 * 1024;
constexpr double kMostHeapBound = 32 * 1024 * 1024;

napi_value Copy(napi_env env, napi_callback_info info) {
  const Arguments<5> arguments(env, info);
  const double length = arguments.Number(4);
  const uint8_t* source = arguments.Range(0, 1, length, "copy: source");
  uint8_t* target = arguments.Range(2, 3, length, "copy: target");
  std::memmove(target, source, static_cast<size_t>(length));
  return nullptr;
}

napi_value Gather(napi_env env, napi_callback_info info) {
  const Arguments<5> arguments(env, info);
  const MemoryView source = arguments.View(0, "gather: source");
  const size_t count = arguments.Count(2);
  const double* span = arguments.Numbers<double>(1, 2 * count, "gather: spans");
  const MemoryView target = arguments.View(3, "gather: target");
  double at = arguments.Number(4);
  const double start = at;
  for (size_t i = 0; i < count; ++i, span += 2) {
    const uint8_t* from = source.Range(env, span[0], span[1], "gather: source");
    std::memcpy(target.Range(env, at, span[1], "gather: target"), from, static_cast<size_t>(span[1]));
    at += span[1];
  }
  return ToJs(env, at - start);
}

napi_value Scatter(napi_env env, napi_callback_info info) {
  const Arguments<5> arguments(env, info);
  const MemoryView source = arguments.View(0, "scatter: source");
  double at = arguments.Number(1);
  const double start = at;
  const MemoryView target = arguments.View(2, "scatter: target");
  const size_t count = arguments.Count(4);
  const double* span = arguments.Numbers<double>(3, 2 * count, "scatter: spans");
  for (size_t i = 0; i < count; ++i, span += 2) {
    const uint8_t* from = source.Range(env, at, span[1], "scatter: source");
    std::memcpy(target.Range(env, span[0], span[1], "scatter: target"), from, static_cast<size_t>(span[1]));
    at += span[1];
  }
  return ToJs(env, at - start);
}

napi_value Discard(napi_env env, napi_callback_info info) {
  const Arguments<3> arguments(env, info);
  const double length = arguments.Number(2);
  const auto start = reinterpret_cast<uintptr_t>(arguments.Range(0, 1, length, "discard"));
  const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const uintptr_t first = (start + page - 1) / page * page;
  const uintptr_t last = (start + static_cast<size_t>(length)) / page * page;
  if (last > first) madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);
  return nullptr;
}

napi_value BoundHeap(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  [[maybe_unused]] const auto most = static_cast<int>(arguments.Count(0, kMostHeapBound, kLeastHeapBound));
#ifdef __GLIBC__
  mallopt(M_MMAP_THRESHOLD, most);
  mallopt(M_TRIM_THRESHOLD, most);
#endif
  return nullptr;
}

constexpr Export kCalls[] = {
    {"copy", Guard<Copy>},       {"gather", Guard<Gather>},       {"scatter", Guard<Scatter>},
    {"discard", Guard<Discard>}, {"boundHeap", Guard<BoundHeap>},
};

}  // namespace

std::span<const Export> MemoryCalls() { return kCalls; }

}  // namespace penstock
