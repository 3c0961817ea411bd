// What one JavaScript thread keeps between calls. Nothing here is shared: every worker thread loads the addon and has
// its own.
#pragma once

#include <memory>
#include <random>
#include <unordered_map>
#include <vector>

#include "../kernels/detections.h"
#include "../kernels/head_table.h"
#include "../kernels/json_lift.h"

namespace penstock {

struct Target {
  std::vector<LiftInput> inputs;
  HeadTable heads;
};

struct EnvironmentData {
  std::unordered_map<uint32_t, std::unique_ptr<Target>> targets;
  uint32_t next_target = 1;
  Lifter lifter;
  std::vector<LiftPlacement> placements;
  std::vector<Candidate> candidates;
  uint64_t seed = (static_cast<uint64_t>(std::random_device{}()) << 32) | std::random_device{}();
};

}  // namespace penstock
