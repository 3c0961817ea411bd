// What every call from JavaScript shares: its arguments, checked; results; and C++ exceptions turned into JavaScript
// ones.
#pragma once

#include <napi.h>

#include <span>
#include <string>

#include "tensor_view.h"

namespace penstock {

// What one JavaScript thread keeps between calls (environment.h).
struct EnvironmentData;

// The arguments of one call, fetched once.
template <size_t N>
class Arguments {
 public:
  Arguments(napi_env env, napi_callback_info info) : env_(env) {
    size_t count = N;
    void* data = nullptr;
    napi_get_cb_info(env, info, &count, values_, nullptr, &data);
    if (count < N) throw Napi::TypeError::New(env, "too few arguments");
    environment_ = static_cast<EnvironmentData*>(data);
  }

  double Number(size_t i) const {
    double value = 0;
    if (napi_get_value_double(env_, values_[i], &value) != napi_ok) {
      throw Napi::TypeError::New(env_, "argument " + std::to_string(i) + " must be a number");
    }
    return value;
  }

  bool Boolean(size_t i) const {
    bool value = false;
    if (napi_get_value_bool(env_, values_[i], &value) != napi_ok) {
      throw Napi::TypeError::New(env_, "argument " + std::to_string(i) + " must be a boolean");
    }
    return value;
  }

  // A whole number from `least` to `most`.
  size_t Count(size_t i, double most = 9007199254740991.0, double least = 0) const {
    const double value = Number(i);
    if (!(value >= least) || value > most) {
      throw Napi::RangeError::New(env_, "argument " + std::to_string(i) + " is out of range");
    }
    return static_cast<size_t>(value);
  }

  MemoryView View(size_t i, const char* what) const { return ViewOf(env_, values_[i], what); }

  uint8_t* Range(size_t memory, size_t offset, double bytes, const char* what) const {
    return View(memory, what).Range(env_, Number(offset), bytes, what);
  }

  // Argument `i` as an array of at least `count` numbers.
  template <typename T>
  T* Numbers(size_t i, size_t count, const char* what) const {
    const MemoryView view = View(i, what);
    if (count > view.length / sizeof(T)) throw Napi::RangeError::New(env_, std::string(what) + ": too short");
    return Aligned<T>(env_, view.data, what);
  }

  napi_value operator[](size_t i) const { return values_[i]; }
  EnvironmentData& environment() const { return *environment_; }

 private:
  napi_env env_;
  napi_value values_[N];
  EnvironmentData* environment_;
};

inline napi_value ToJs(napi_env env, double value) {
  napi_value result;
  napi_create_double(env, value, &result);
  return result;
}

inline napi_value ToJs(napi_env env, int32_t value) {
  napi_value result;
  napi_create_int32(env, value, &result);
  return result;
}

// Turns C++ exceptions of a call into JavaScript ones.
template <napi_value (*kCall)(napi_env, napi_callback_info)>
napi_value Guard(napi_env env, napi_callback_info info) {
  try {
    return kCall(env, info);
  } catch (const Napi::Error& error) {
    error.ThrowAsJavaScriptException();
  } catch (const std::exception& error) {
    napi_throw_error(env, nullptr, error.what());
  }
  return nullptr;
}

struct Export {
  const char* name;
  napi_callback call;
};

// The calls of each file, for the export table.
std::span<const Export> ImageCalls();
std::span<const Export> ImageHeaderCalls();
std::span<const Export> LiftCalls();
std::span<const Export> MemoryCalls();
std::span<const Export> ProcessCalls();
std::span<const Export> ScoreCalls();
std::span<const Export> TextCalls();

}  // namespace penstock
