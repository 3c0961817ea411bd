// Boxes out of a YOLO head: best class of each box, score threshold, non-maximum suppression, and back from the
// letterbox to the pixels of the image. The steps and their order are those of Ultralytics' non_max_suppression with
// one label per box. Memory and time are bounded whatever the model puts out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace penstock {

enum class DetectionLayout : int32_t {
  kYolo5,  // [boxes, 5 + classes]: x, y, w, h, objectness, classes; a score is objectness * class
  kYolo8,  // [4 + classes, boxes]: x, y, w, h, classes, each over all boxes; a score is the class
};

// The best by score that take part in suppression, as Ultralytics has it (max_nms). Stops the quadratic blow-up of a
// model that is sure of everything.
inline constexpr size_t kMostCandidates = 30'000;

// Suppression compares every candidate with those kept: together 30 million comparisons at most.
inline constexpr size_t kMostDetections = 1'000;

// Numbers of one detection: x1, y1, x2, y2, score, class.
inline constexpr size_t kDetectionWidth = 6;

// A box that takes part: corners in pixels of the model's input.
struct Candidate {
  double x1;
  double y1;
  double x2;
  double y2;
  float score;
  uint32_t label;
  uint32_t box;
};

struct DetectionRequest {
  const float* head;
  DetectionLayout layout;
  size_t boxes;
  size_t classes;
  // Scores must be above it.
  double score_threshold;
  // A box goes whose overlap (intersection over union) with a better one of its class is above it.
  double overlap_threshold;
  // At most kMostDetections; `rows` has room for them.
  size_t most;
  // Whether boxes of different classes suppress each other.
  bool across_classes;
  // The letterbox: input = image * scale + padding. Boxes are clipped to the image, and may be empty then.
  double scale;
  double pad_x;
  double pad_y;
  double width;
  double height;
  float* rows;
};

// Writes the detections, best first, equal scores by the box's index. Boxes without area, or with a number that is not
// finite, are left out. `candidates` is room that is used again. Returns how many.
size_t Detect(const DetectionRequest& request, std::vector<Candidate>* candidates);

}  // namespace penstock
