#include "detections.h"

#include <algorithm>
#include <cmath>

namespace penstock {
namespace {

// Boxes looked at together: their best scores stay in cache while the classes go by.
constexpr size_t kBlock = 512;

// The head without its layout: attribute `a` of box `b`.
struct Head {
  explicit Head(const DetectionRequest& request)
      : data(request.head), rows(request.layout == DetectionLayout::kYolo5), boxes(request.boxes) {
    first_class = rows ? 5 : 4;
    width = first_class + request.classes;
  }

  const float* At(size_t attribute, size_t box) const {
    return rows ? data + box * width + attribute : data + attribute * boxes + box;
  }

  const float* data;
  bool rows;
  size_t boxes;
  size_t first_class;
  size_t width;
};

struct Best {
  float score[kBlock];
  uint32_t label[kBlock];
};

// Takes the scores of `label` that are better. Without branches, and inlined with a stride
// of 1, so that the compiler makes vectors of it.
inline void TakeBetter(const float* scores, size_t stride, size_t count, uint32_t label, Best* best) {
  float* __restrict highest = best->score;
  uint32_t* __restrict labels = best->label;
  for (size_t i = 0; i < count; ++i) {
    const float score = scores[i * stride];
    const uint32_t better = -static_cast<uint32_t>(score > highest[i]);
    labels[i] = (label & better) | (labels[i] & ~better);
    highest[i] = std::max(highest[i], score);
  }
}

// The best class of each of `count` boxes from `first`; NaN loses against every number.
void FindBest(const Head& head, size_t first, size_t count, size_t classes, Best* best) {
  std::fill_n(best->score, count, -INFINITY);
  std::fill_n(best->label, count, 0);
  for (uint32_t label = 0; label < classes; ++label) {
    const float* scores = head.At(head.first_class + label, first);
    if (head.rows) {
      TakeBetter(scores, head.width, count, label, best);
    } else {
      TakeBetter(scores, 1, count, label, best);
    }
  }
  if (!head.rows) return;
  for (size_t i = 0; i < count; ++i) best->score[i] *= *head.At(4, first + i);
}

bool Before(const Candidate& a, const Candidate& b) { return a.score != b.score ? a.score > b.score : a.box < b.box; }

void KeepBest(std::vector<Candidate>* candidates) {
  if (candidates->size() <= kMostCandidates) return;
  const auto end = candidates->begin() + kMostCandidates;
  std::nth_element(candidates->begin(), end, candidates->end(), Before);
  candidates->erase(end, candidates->end());
}

void Add(const Head& head, size_t box, float score, uint32_t label, std::vector<Candidate>* candidates) {
  const double x = *head.At(0, box);
  const double y = *head.At(1, box);
  const double width = *head.At(2, box);
  const double height = *head.At(3, box);
  if (!std::isfinite(x) || !std::isfinite(y) || !std::isfinite(width) || !std::isfinite(height)) return;
  if (width <= 0 || height <= 0 || !std::isfinite(score)) return;
  candidates->push_back(
      {x - width / 2, y - height / 2, x + width / 2, y + height / 2, score, label, static_cast<uint32_t>(box)});
  // Twice as many are let in before the worse half goes, so that the cost per box stays constant.
  if (candidates->size() == 2 * kMostCandidates) KeepBest(candidates);
}

void Collect(const DetectionRequest& request, std::vector<Candidate>* candidates) {
  const Head head(request);
  Best best;
  for (size_t first = 0; first < request.boxes; first += kBlock) {
    const size_t count = std::min(kBlock, request.boxes - first);
    FindBest(head, first, count, request.classes, &best);
    for (size_t i = 0; i < count; ++i) {
      if (best.score[i] > request.score_threshold) Add(head, first + i, best.score[i], best.label[i], candidates);
    }
  }
  KeepBest(candidates);
  std::sort(candidates->begin(), candidates->end(), Before);
}

double Area(const Candidate& box) { return (box.x2 - box.x1) * (box.y2 - box.y1); }

double Overlap(const Candidate& a, const Candidate& b) {
  const double width = std::min(a.x2, b.x2) - std::max(a.x1, b.x1);
  const double height = std::min(a.y2, b.y2) - std::max(a.y1, b.y1);
  if (width <= 0 || height <= 0) return 0;
  const double common = width * height;
  return common / (Area(a) + Area(b) - common);
}

// Moves those that stay to the front, in their order. Returns how many.
size_t Suppress(const DetectionRequest& request, std::vector<Candidate>* candidates) {
  Candidate* const kept = candidates->data();
  size_t count = 0;
  for (const Candidate& candidate : *candidates) {
    if (count == request.most) break;
    const bool stays = std::none_of(kept, kept + count, [&](const Candidate& better) {
      const bool rivals = request.across_classes || better.label == candidate.label;
      return rivals && Overlap(better, candidate) > request.overlap_threshold;
    });
    if (stays) kept[count++] = candidate;
  }
  return count;
}

float Back(double value, double padding, double scale, double most) {
  return static_cast<float>(std::clamp((value - padding) / scale, 0.0, most));
}

}  // namespace

size_t Detect(const DetectionRequest& request, std::vector<Candidate>* candidates) {
  candidates->clear();
  Collect(request, candidates);
  const size_t count = Suppress(request, candidates);
  float* row = request.rows;
  for (size_t i = 0; i < count; ++i, row += kDetectionWidth) {
    const Candidate& box = (*candidates)[i];
    row[0] = Back(box.x1, request.pad_x, request.scale, request.width);
    row[1] = Back(box.y1, request.pad_y, request.scale, request.height);
    row[2] = Back(box.x2, request.pad_x, request.scale, request.width);
    row[3] = Back(box.y2, request.pad_y, request.scale, request.height);
    row[4] = box.score;
    row[5] = static_cast<float>(box.label);
  }
  return count;
}

}  // namespace penstock
