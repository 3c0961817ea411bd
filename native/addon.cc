// The addon's front page: the export table, nothing else. The contract is src/native/binding.ts.
// No static JavaScript state: every worker thread loads the addon and has its own environment data.

#include <napi.h>

#include "calls/call.h"
#include "calls/environment.h"

namespace penstock {
namespace {

constexpr int kContractVersion = 6;

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  auto* environment = new EnvironmentData();
  env.SetInstanceData(environment);
  exports.Set("contractVersion", kContractVersion);
  for (const std::span<const Export> calls :
       {ImageCalls(), ImageHeaderCalls(), LiftCalls(), MemoryCalls(), ProcessCalls(), ScoreCalls(), TextCalls()}) {
    for (const Export& entry : calls) {
      napi_value function;
      napi_create_function(env, entry.name, NAPI_AUTO_LENGTH, entry.call, environment, &function);
      exports.Set(entry.name, Napi::Value(env, function));
    }
  }
  return exports;
}

NODE_API_MODULE(penstock, Init)

}  // namespace
}  // namespace penstock
