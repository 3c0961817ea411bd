// A checked, non-owning look at memory that JavaScript handed in: typed arrays over ArrayBuffer or SharedArrayBuffer,
// and bare ArrayBuffers. Throws Napi errors; never outlives the call.
#pragma once

#include <napi.h>

#include <cstdint>
#include <string>

namespace penstock {

struct MemoryView {
  uint8_t* data = nullptr;
  size_t length = 0;

  // The bytes [offset, offset + length) of it.
  uint8_t* Range(napi_env env, double offset, double bytes, const char* what) const {
    const double most = static_cast<double>(length);
    if (!(offset >= 0) || !(bytes >= 0) || offset > most || bytes > most - offset) {
      throw Napi::RangeError::New(env, std::string(what) + ": the range lies outside its memory");
    }
    return data + static_cast<size_t>(offset);
  }
};

// A view of `value`. Raw N-API calls: the wrappers cost more than the work of the small kernels.
inline MemoryView ViewOf(napi_env env, napi_value value, const char* what) {
  MemoryView view;
  void* data = nullptr;
  napi_typedarray_type type;
  size_t elements = 0;
  if (napi_get_typedarray_info(env, value, &type, &elements, &data, nullptr, nullptr) == napi_ok) {
    static constexpr size_t kWidths[] = {1, 1, 1, 2, 2, 4, 4, 4, 8, 8, 8};
    view.data = static_cast<uint8_t*>(data);
    view.length = elements * kWidths[type];
    return view;
  }
  if (napi_get_arraybuffer_info(env, value, &data, &view.length) == napi_ok) {
    view.data = static_cast<uint8_t*>(data);
    return view;
  }
  throw Napi::TypeError::New(env, std::string(what) + " must be a Uint8Array or an ArrayBuffer");
}

// Bytes as numbers. Typed arrays of numbers are aligned by themselves; a view of bytes may begin anywhere.
template <typename T>
T* Aligned(napi_env env, uint8_t* bytes, const char* what) {
  if (reinterpret_cast<uintptr_t>(bytes) % alignof(T) == 0) return reinterpret_cast<T*>(bytes);
  throw Napi::RangeError::New(env, std::string(what) + ": must be aligned to " + std::to_string(alignof(T)) + " bytes");
}

}  // namespace penstock
