// Pixels into tensors.

#include <cstring>

#include "../kernels/image_tensor.h"
#include "call.h"

namespace penstock {
namespace {

// Places in the two arrays of numbers: Image and ImageFloat of src/native/image-words.ts.
constexpr size_t kInts = 19;
constexpr size_t kFloats = 7;

ImageSpec SpecOf(const int32_t (&ints)[kInts], const double (&floats)[kFloats]) {
  ImageSpec spec = {};
  spec.width = ints[0];
  spec.height = ints[1];
  spec.channels = ints[2];
  spec.resized_width = ints[3];
  spec.resized_height = ints[4];
  spec.filter = static_cast<Filter>(ints[5]);
  spec.antialias = ints[6] != 0;
  spec.crop_left = ints[7];
  spec.crop_top = ints[8];
  spec.crop_width = ints[9];
  spec.crop_height = ints[10];
  spec.tensor_width = ints[11];
  spec.tensor_height = ints[12];
  spec.at_left = ints[13];
  spec.at_top = ints[14];
  spec.colour = static_cast<Colour>(ints[15]);
  spec.layout = static_cast<Layout>(ints[16]);
  spec.element = static_cast<Element>(ints[17]);
  for (size_t c = 0; c < 3; ++c) {
    spec.scale[c] = static_cast<float>(floats[c]);
    spec.shift[c] = static_cast<float>(floats[3 + c]);
  }
  spec.pad = static_cast<float>(floats[6]);
  return spec;
}

// The numbers of an array, by value: nobody changes them after they are checked.
template <typename T, size_t N>
void Take(napi_env env, const MemoryView& view, T (&numbers)[N], const char* what) {
  if (view.length != sizeof(numbers)) throw Napi::RangeError::New(env, std::string(what) + ": wrong length");
  std::memcpy(numbers, view.data, sizeof(numbers));
}

napi_value ImageToTensorCall(napi_env env, napi_callback_info info) {
  const Arguments<5> arguments(env, info);
  const MemoryView pixels = arguments.View(0, "imageToTensor: pixels");
  int32_t ints[kInts];
  Take(env, arguments.View(1, "imageToTensor: ints"), ints, "imageToTensor: ints");
  double floats[kFloats];
  Take(env, arguments.View(2, "imageToTensor: floats"), floats, "imageToTensor: floats");
  const MemoryView target = arguments.View(3, "imageToTensor: target");
  uint8_t* out = target.Range(env, arguments.Number(4), 0, "imageToTensor: target");
  const ImageSpec spec = SpecOf(ints, floats);
  const char* fault = SpecFault(spec, pixels.length, static_cast<size_t>(target.data + target.length - out));
  if (fault != nullptr) throw Napi::RangeError::New(env, std::string("imageToTensor: ") + fault);
  ImageToTensor(spec, pixels.data, out, ints[18] != 0 ? PlainLanes() : BestLanes());
  return ToJs(env, static_cast<double>(TensorBytes(spec)));
}

constexpr Export kCalls[] = {{"imageToTensor", Guard<ImageToTensorCall>}};

}  // namespace

std::span<const Export> ImageCalls() { return kCalls; }

}  // namespace penstock
