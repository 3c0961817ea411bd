// The fuzzer's bytes as calls to a small table, beside a std::map that holds the same: what was remembered is matched,
// nothing else is, and each head that leaves is named by its plan.

#include "../../kernels/head_table.h"

#include <map>
#include <string>

#include "fuzz.h"

namespace penstock::fuzz {
namespace {

const uint8_t* Bytes(const std::string& text) { return reinterpret_cast<const uint8_t*>(text.data()); }

// A table and what it must hold. Plans are never used twice, so that one names its head.
class Twin {
 public:
  Twin(size_t capacity, uint64_t seed) : capacity_(capacity), table_(capacity, seed) {}

  void Remember(const std::string& head) {
    const int32_t plan = next_++;
    const Exact bytes(Bytes(head), head.size());
    const int32_t left = table_.Remember(bytes.data(), bytes.size(), plan);
    if (head.size() > kMaxHeadBytes) {
      REQUIRE(left == plan);
      return;
    }
    const auto known = held_.find(head);
    if (known != held_.end()) {
      REQUIRE(left == known->second);
    } else if (held_.size() < capacity_) {
      REQUIRE(left == -1);
    } else {
      Evict(left);
    }
    held_[head] = plan;
    REQUIRE(held_.size() <= capacity_);
    Match(head);
  }

  void Match(const std::string& head) {
    const Exact bytes(Bytes(head), head.size());
    const auto known = held_.find(head);
    REQUIRE(table_.Match(bytes.data(), bytes.size()) == (known == held_.end() ? -1 : known->second));
  }

  void MatchAll() {
    for (const auto& [head, plan] : held_) REQUIRE(table_.Match(Bytes(head), head.size()) == plan);
  }

 private:
  void Evict(int32_t plan) {
    for (auto entry = held_.begin(); entry != held_.end(); ++entry) {
      if (entry->second != plan) continue;
      held_.erase(entry);
      return;
    }
    REQUIRE(!"the plan that left was held");
  }

  size_t capacity_;
  HeadTable table_;
  std::map<std::string, int32_t> held_;
  int32_t next_ = 0;
};

// Few different heads of many lengths, so that they meet again: a letter, repeated.
std::string Head(Feed* feed) {
  const uint8_t letter = feed->Byte();
  const uint8_t length = feed->Byte();
  const size_t repeats = length == 255 ? kMaxHeadBytes + (letter & 1) : length % 40;
  return std::string(repeats, static_cast<char>('a' + letter % 4)) + static_cast<char>(letter >> 4);
}

void Try(Feed feed) {
  const size_t capacity = 1 + feed.Byte() % 8;
  Twin twin(capacity, feed.Byte() * 0x9E3779B97F4A7C15);
  while (!feed.empty()) {
    const bool remember = (feed.Byte() & 1) != 0;
    const std::string head = Head(&feed);
    if (remember) {
      twin.Remember(head);
    } else {
      twin.Match(head);
    }
  }
  twin.MatchAll();
}

}  // namespace
}  // namespace penstock::fuzz

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  penstock::fuzz::Try(penstock::fuzz::Feed(data, size));
  return 0;
}
