// The fuzzer's bytes as a YOLO head, its shape and its options, against a selection without blocks, heaps or bounds:
// the same boxes in the same order, and every one inside the image.

#include "../../kernels/detections.h"

#include <algorithm>
#include <cmath>

#include "fuzz.h"

namespace penstock::fuzz {
namespace {

struct Case {
  DetectionRequest request;
  std::vector<float> head;
  std::vector<float> rows;
};

// A float of few different values, so that ties and overlaps happen; now and then any bits.
float Number(Feed* feed) {
  const uint8_t byte = feed->Byte();
  if (byte < 240) return static_cast<float>(byte % 32) / 8;
  uint32_t bits = 0;
  for (int i = 0; i < 4; ++i) bits = bits << 8 | feed->Byte();
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

Case MakeCase(Feed* feed) {
  Case made;
  DetectionRequest& request = made.request;
  request.layout = static_cast<DetectionLayout>(feed->Byte() & 1);
  request.classes = 1 + feed->Byte() % 4;
  request.boxes = feed->Byte();
  request.score_threshold = feed->Byte() / 64.0;
  request.overlap_threshold = feed->Byte() / 255.0;
  request.most = feed->Byte() % 32;
  request.across_classes = (feed->Byte() & 1) != 0;
  request.scale = 0.25 + feed->Byte() / 64.0;
  request.pad_x = feed->Byte() / 64.0;
  request.pad_y = feed->Byte() / 64.0;
  request.width = feed->Byte() / 32.0;
  request.height = feed->Byte() / 32.0;
  const size_t attributes = (request.layout == DetectionLayout::kYolo5 ? 5 : 4) + request.classes;
  made.head.resize(request.boxes * attributes);
  for (float& value : made.head) value = Number(feed);
  made.rows.resize(request.most * kDetectionWidth);
  request.head = made.head.data();
  request.rows = made.rows.data();
  return made;
}

float At(const DetectionRequest& request, size_t box, size_t attribute) {
  const bool rows = request.layout == DetectionLayout::kYolo5;
  const size_t width = (rows ? 5 : 4) + request.classes;
  return rows ? request.head[box * width + attribute] : request.head[attribute * request.boxes + box];
}

// The boxes above the threshold, by score and index.
std::vector<Candidate> PlainCandidates(const DetectionRequest& request) {
  std::vector<Candidate> found;
  const size_t first = request.layout == DetectionLayout::kYolo5 ? 5 : 4;
  for (size_t box = 0; box < request.boxes; ++box) {
    float score = -INFINITY;
    uint32_t label = 0;
    for (uint32_t c = 0; c < request.classes; ++c) {
      const float value = At(request, box, first + c);
      if (value > score) {
        score = value;
        label = c;
      }
    }
    if (first == 5) score *= At(request, box, 4);
    const double x = At(request, box, 0), y = At(request, box, 1), w = At(request, box, 2), h = At(request, box, 3);
    const bool finite = std::isfinite(x) && std::isfinite(y) && std::isfinite(w) && std::isfinite(h);
    if (!(score > request.score_threshold) || !std::isfinite(score) || !finite || w <= 0 || h <= 0) continue;
    found.push_back({x - w / 2, y - h / 2, x + w / 2, y + h / 2, score, label, static_cast<uint32_t>(box)});
  }
  std::stable_sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.score > b.score; });
  return found;
}

bool Rivals(const DetectionRequest& request, const Candidate& a, const Candidate& b) {
  if (!request.across_classes && a.label != b.label) return false;
  const double width = std::max(0.0, std::min(a.x2, b.x2) - std::max(a.x1, b.x1));
  const double height = std::max(0.0, std::min(a.y2, b.y2) - std::max(a.y1, b.y1));
  const double common = width * height;
  const double both = (a.x2 - a.x1) * (a.y2 - a.y1) + (b.x2 - b.x1) * (b.y2 - b.y1) - common;
  return common > 0 && common / both > request.overlap_threshold;
}

std::vector<Candidate> PlainDetect(const DetectionRequest& request) {
  std::vector<Candidate> kept;
  for (const Candidate& candidate : PlainCandidates(request)) {
    bool stays = kept.size() < request.most;
    for (const Candidate& better : kept) stays = stays && !Rivals(request, better, candidate);
    if (stays) kept.push_back(candidate);
  }
  return kept;
}

void CheckDetections(Feed* feed) {
  const Case made = MakeCase(feed);
  std::vector<Candidate> room;
  const size_t count = Detect(made.request, &room);
  const std::vector<Candidate> plain = PlainDetect(made.request);
  REQUIRE(count == plain.size());
  for (size_t i = 0; i < count; ++i) {
    const float* row = made.rows.data() + i * kDetectionWidth;
    REQUIRE(room[i].box == plain[i].box);
    REQUIRE(row[4] == plain[i].score && row[5] == static_cast<float>(plain[i].label));
    REQUIRE(row[0] >= 0 && row[0] <= row[2] && row[2] <= made.request.width);
    REQUIRE(row[1] >= 0 && row[1] <= row[3] && row[3] <= made.request.height);
  }
}

}  // namespace
}  // namespace penstock::fuzz

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  penstock::fuzz::Feed feed(data, size);
  penstock::fuzz::CheckDetections(&feed);
  return 0;
}
