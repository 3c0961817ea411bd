// A binary BYTES tensor (first byte: the element count): what is split lies inside and joins to the same bytes, text is
// judged only where the framing is right, and memory one byte too small is refused.

#include "../../kernels/bytes_tensor.h"

#include <vector>

#include "../../kernels/utf8.h"
#include "fuzz.h"

namespace penstock::fuzz {
namespace {

// The element whose framing is at fault, `count` where bytes are left over, -1 where all is well.
int64_t PlainSplit(const Exact& tensor, size_t count, std::vector<uint32_t>* offsets) {
  uint64_t at = 0;
  for (size_t i = 0; i < count; ++i) {
    if (at + 4 > tensor.size()) return static_cast<int64_t>(i);
    uint64_t size = 0;
    for (int byte = 3; byte >= 0; --byte) size = size << 8 | tensor.data()[at + static_cast<size_t>(byte)];
    if (at + 4 + size > tensor.size()) return static_cast<int64_t>(i);
    offsets->push_back(static_cast<uint32_t>(at + 4));
    offsets->push_back(static_cast<uint32_t>(size));
    at += 4 + size;
  }
  return at == tensor.size() ? -1 : static_cast<int64_t>(count);
}

// The first of the elements found that is no text, or -1.
int64_t FirstBadText(const Exact& tensor, const std::vector<uint32_t>& offsets) {
  for (size_t i = 0; i < offsets.size(); i += 2) {
    const uint8_t* text = tensor.data() + offsets[i];
    bool good = IsUtf8(text, offsets[i + 1]);
    for (uint32_t j = 0; j < offsets[i + 1]; ++j) good = good && text[j] != 0;
    if (!good) return static_cast<int64_t>(i / 2);
  }
  return -1;
}

void CheckJoin(const Exact& tensor, const uint32_t* offsets, size_t count) {
  Exact joined(tensor.size());
  const int64_t length = JoinBytes(tensor.data(), offsets, count, joined.data(), joined.size());
  REQUIRE(length == static_cast<int64_t>(tensor.size()) && tensor.Holds(joined.data(), joined.size()));
  if (tensor.size() == 0) return;
  Exact small(tensor.size() - 1);
  REQUIRE(JoinBytes(tensor.data(), offsets, count, small.data(), small.size()) == -1);
}

void Try(size_t count, const Exact& tensor) {
  std::vector<uint32_t> expected;
  const int64_t framing = PlainSplit(tensor, count, &expected);
  Exact memory(count * 2 * sizeof(uint32_t));
  auto* offsets = reinterpret_cast<uint32_t*>(memory.data());
  REQUIRE(SplitBytes(tensor.data(), tensor.size(), count, offsets, false) == framing);
  REQUIRE(expected.empty() || std::memcmp(offsets, expected.data(), expected.size() * sizeof(uint32_t)) == 0);
  if (framing == -1) CheckJoin(tensor, offsets, count);
  const int64_t bad = FirstBadText(tensor, expected);
  REQUIRE(SplitBytes(tensor.data(), tensor.size(), count, offsets, true) == (bad < 0 ? framing : bad + kTextFault));
}

}  // namespace
}  // namespace penstock::fuzz

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  penstock::fuzz::Feed feed(data, size);
  const size_t count = feed.Byte();
  penstock::fuzz::Try(count, penstock::fuzz::Exact(feed.rest(), feed.left()));
  return 0;
}
