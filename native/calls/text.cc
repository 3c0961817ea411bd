// Datatypes and what their elements look like: numbers as text, strings, halves.

#include "../kernels/bytes_tensor.h"
#include "../kernels/datatype.h"
#include "../kernels/half_float.h"
#include "../kernels/number_text.h"
#include "../kernels/utf8.h"
#include "call.h"

namespace penstock {
namespace {

napi_value Datatypes(napi_env env, napi_callback_info) {
  Napi::Array rows = Napi::Array::New(env, kDatatypes.size());
  for (uint32_t i = 0; i < kDatatypes.size(); ++i) {
    Napi::Object row = Napi::Object::New(env);
    row.Set("name", std::string(kDatatypes[i].name));
    row.Set("size", static_cast<double>(kDatatypes[i].size));
    rows.Set(i, row);
  }
  return rows;
}

napi_value PrintNumbersCall(napi_env env, napi_callback_info info) {
  const Arguments<6> arguments(env, info);
  const size_t datatype = arguments.Count(0, kDatatypeCount - 1);
  const size_t size = kDatatypes[datatype].size;
  if (datatype == kFp16 || datatype == kBf16 || datatype == kBytes) {
    throw Napi::TypeError::New(env, "printNumbers: the datatype has no JSON form");
  }
  const double count = arguments.Number(3);
  const uint8_t* source = arguments.Range(1, 2, count * static_cast<double>(size), "printNumbers: source");
  const MemoryView target = arguments.View(4, "printNumbers: target");
  uint8_t* out = target.Range(env, arguments.Number(5), 0, "printNumbers: target");
  const size_t room = static_cast<size_t>(target.data + target.length - out);
  const size_t elements = static_cast<size_t>(count);
  if (elements > room / MaxPrinted(static_cast<int>(datatype))) return ToJs(env, -1);
  return ToJs(env, static_cast<double>(PrintNumbers(static_cast<int>(datatype), source, elements, out)));
}

napi_value SplitBytesCall(napi_env env, napi_callback_info info) {
  const Arguments<6> arguments(env, info);
  const double length = arguments.Number(2);
  const uint8_t* source = arguments.Range(0, 1, length, "splitBytes: source");
  const size_t count = arguments.Count(3);
  uint32_t* pairs = arguments.Numbers<uint32_t>(4, 2 * count, "splitBytes: offsets");
  const bool text = arguments.Boolean(5);
  const int64_t fault = SplitBytes(source, static_cast<size_t>(length), count, pairs, text);
  const auto base = static_cast<uint32_t>(arguments.Number(1));
  for (size_t i = 0; fault == -1 && i < count; ++i) pairs[2 * i] += base;
  return ToJs(env, static_cast<double>(fault));
}

napi_value JoinBytesCall(napi_env env, napi_callback_info info) {
  const Arguments<5> arguments(env, info);
  const MemoryView source = arguments.View(0, "joinBytes: source");
  const size_t count = arguments.Count(2);
  const uint32_t* pairs = arguments.Numbers<uint32_t>(1, 2 * count, "joinBytes: offsets");
  for (size_t i = 0; i < count; ++i) source.Range(env, pairs[2 * i], pairs[2 * i + 1], "joinBytes: source");
  const MemoryView target = arguments.View(3, "joinBytes: target");
  uint8_t* out = target.Range(env, arguments.Number(4), 0, "joinBytes: target");
  const size_t room = static_cast<size_t>(target.data + target.length - out);
  return ToJs(env, static_cast<double>(JoinBytes(source.data, pairs, count, out, room)));
}

napi_value IsUtf8Call(napi_env env, napi_callback_info info) {
  const Arguments<3> arguments(env, info);
  const double length = arguments.Number(2);
  const uint8_t* source = arguments.Range(0, 1, length, "isUtf8");
  napi_value result;
  napi_get_boolean(env, IsUtf8(source, static_cast<size_t>(length)), &result);
  return result;
}

template <void (*kKernel)(const uint8_t*, uint8_t*, size_t), int kFrom, int kTo>
napi_value Convert(napi_env env, napi_callback_info info) {
  const Arguments<5> arguments(env, info);
  const double count = arguments.Number(4);
  const uint8_t* source = arguments.Range(0, 1, count * kFrom, "convert: source");
  kKernel(source, arguments.Range(2, 3, count * kTo, "convert: target"), static_cast<size_t>(count));
  return nullptr;
}

constexpr Export kCalls[] = {
    {"datatypes", Guard<Datatypes>},
    {"printNumbers", Guard<PrintNumbersCall>},
    {"splitBytes", Guard<SplitBytesCall>},
    {"joinBytes", Guard<JoinBytesCall>},
    {"isUtf8", Guard<IsUtf8Call>},
    {"fp16ToFp32", Guard<Convert<Fp16ToFp32, 2, 4>>},
    {"fp32ToFp16", Guard<Convert<Fp32ToFp16, 4, 2>>},
    {"bf16ToFp32", Guard<Convert<Bf16ToFp32, 2, 4>>},
    {"fp32ToBf16", Guard<Convert<Fp32ToBf16, 4, 2>>},
};

}  // namespace

std::span<const Export> TextCalls() { return kCalls; }

}  // namespace penstock
