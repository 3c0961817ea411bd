#include "parent_watch.h"

#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <thread>

namespace penstock {

void DieAfterParent(uint32_t grace_ms) {
  const pid_t parent = getppid();
  std::thread([parent, grace_ms] {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);
    while (getppid() == parent) std::this_thread::sleep_for(std::chrono::milliseconds(500));
    std::this_thread::sleep_for(std::chrono::milliseconds(grace_ms));
    kill(getpid(), SIGKILL);
  }).detach();
}

}  // namespace penstock
