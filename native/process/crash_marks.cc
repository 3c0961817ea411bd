#include "crash_marks.h"

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>

#include <array>
#include <atomic>

namespace penstock {
namespace {

constexpr std::array kFaults = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};

struct Owner {
  std::atomic<bool> claimed{false};
  pthread_t thread{};
};

// The handler may touch nothing but these: no allocation, no lock, no thread-local that is made on first use.
std::array<Owner, kMostCrashSlots> owners;
std::array<struct sigaction, kFaults.size()> previous;
std::atomic<uint32_t*> marks{nullptr};
size_t slot_count = 0;

void MarkOwnSlot() {
  uint32_t* slots = marks.load();
  for (size_t i = 0; slots != nullptr && i < slot_count; ++i) {
    if (!owners[i].claimed.load() || pthread_equal(owners[i].thread, pthread_self()) == 0) continue;
    if (slots[i] != 0) slots[i] |= kFaultBit;
  }
}

// Handlers that stood before (V8 has one for WebAssembly) take over: a fault is met again where it happened, and what
// was sent is sent again. A signal from another process says nothing about the thread it happens to interrupt.
void OnFault(int signal, siginfo_t* info, void*) {
  if (info->si_code != SI_USER) MarkOwnSlot();
  for (size_t i = 0; i < kFaults.size(); ++i) {
    if (kFaults[i] == signal) sigaction(signal, &previous[i], nullptr);
  }
  if (info->si_code <= 0) raise(signal);
}

}  // namespace

uint32_t* MapCrashMarks(int file, size_t slots) {
  if (marks.load() != nullptr || slots == 0 || slots > kMostCrashSlots) return nullptr;
  void* memory = mmap(nullptr, slots * sizeof(uint32_t), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (memory == MAP_FAILED) return nullptr;
  slot_count = slots;
  marks.store(static_cast<uint32_t*>(memory));
  struct sigaction action = {};
  action.sa_sigaction = OnFault;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  for (size_t i = 0; i < kFaults.size(); ++i) sigaction(kFaults[i], &action, &previous[i]);
  return marks.load();
}

void ClaimCrashMark(size_t slot) {
  if (slot >= kMostCrashSlots) return;
  for (Owner& owner : owners) {
    if (owner.claimed.load() && pthread_equal(owner.thread, pthread_self()) != 0) owner.claimed.store(false);
  }
  owners[slot].claimed.store(false);
  owners[slot].thread = pthread_self();
  owners[slot].claimed.store(true);
}

}  // namespace penstock
