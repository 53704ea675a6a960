#ifndef WEIR_SANITIZED
#include "observe/allocation_sampler.h"

#include <gperftools/malloc_hook.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <memory>
#include <mutex>
#include <span>

#include "base/random.h"

namespace weir::observe {

// Nothing calls it: its address stands for stacks that have no room.
__attribute__((noinline)) void AllocationsOfFurtherStacks() { asm volatile(""); }

namespace {

constexpr int kDepthMax = 64;
constexpr size_t kStacksMax = 4096;

// Runs within malloc(), so it allocates nothing after its construction.
class StackTable {
 public:
  StackTable() : stacks_(std::make_unique<Stack[]>(kStacksMax)) {
    further_.depth = 1;
    // Within the function, as a return address is.
    further_.frames[0] = reinterpret_cast<char*>(&AllocationsOfFurtherStacks) + 1;
  }

  void Add(std::span<void* const> frames, size_t size) {
    Stack& stack = Find(frames);
    // The chance that so many bytes hold a sampled one.
    const double weight =
        1 / -std::expm1(-static_cast<double>(size) / static_cast<double>(kSamplePeriodBytes));
    stack.count += weight;
    stack.bytes += weight * static_cast<double>(size);
  }

  std::string Text() const {
    std::string lines;
    double count = 0, bytes = 0;
    const auto add = [&](const Stack& stack) {
      if (stack.count == 0) return;
      count += stack.count;
      bytes += stack.bytes;
      AppendNumbers(lines, "", stack.count, stack.bytes);
      for (int i = 0; i < stack.depth; ++i) {
        char frame[32];
        std::snprintf(frame, sizeof frame, " %p", stack.frames[i]);
        lines += frame;
      }
      lines += "\n";
    };
    std::for_each_n(stacks_.get(), kStacksMax, add);
    add(further_);
    std::string text;
    AppendNumbers(text, "heap profile: ", count, bytes);
    return text + " heapprofile\n" + lines;
  }

 private:
  struct Stack {
    double count = 0;
    double bytes = 0;
    int depth = 0;
    void* frames[kDepthMax];
  };

  static void AppendNumbers(std::string& out, const char* what, double count, double bytes) {
    char numbers[96];
    std::snprintf(numbers, sizeof numbers, "%s0: 0 [%.0f: %.0f] @", what, count, bytes);
    out += numbers;
  }

  Stack& Find(std::span<void* const> frames) {
    uint64_t hash = 0;
    for (void* const frame : frames) {
      hash = (hash ^ reinterpret_cast<uintptr_t>(frame)) * 0x9e3779b97f4a7c15;
      hash ^= hash >> 32;
    }
    for (size_t step = 0; step < kStacksMax; ++step) {
      Stack& stack = stacks_[(hash + step) % kStacksMax];
      if (stack.depth == 0) {
        stack.depth = static_cast<int>(frames.size());
        std::ranges::copy(frames, stack.frames);
        return stack;
      }
      if (std::ranges::equal(frames, std::span(stack.frames, static_cast<size_t>(stack.depth)))) {
        return stack;
      }
    }
    return further_;
  }

  std::unique_ptr<Stack[]> stacks_;
  Stack further_;
};

std::mutex mutex;
std::unique_ptr<StackTable> table;  // guarded by mutex; null: sampling is off

// How much this thread allocates until its next sample.
class Distance {
 public:
  // Whether an allocation is sampled.
  bool Cover(size_t size) {
    if (random_ == 0) {
      static std::atomic<uint64_t> threads{0};
      random_ = (threads.fetch_add(1, std::memory_order_relaxed) + 1) * 0x9e3779b97f4a7c15;
      Draw();
    }
    left_ -= static_cast<double>(size);
    if (left_ >= 0) return false;
    Draw();
    return true;
  }

 private:
  void Draw() {
    random_ ^= random_ << 13;  // Marsaglia's xorshift64: never zero
    random_ ^= random_ >> 7;
    random_ ^= random_ << 17;
    left_ = -std::log1p(-base::ToFraction(random_)) * static_cast<double>(kSamplePeriodBytes);
  }

  double left_ = 0;
  uint64_t random_ = 0;
};
constinit thread_local Distance distance;

void OnAllocation(const void* /*memory*/, size_t size) {
  if (!distance.Cover(size)) return;
  void* frames[kDepthMax];
  const int depth = MallocHook::GetCallerStackTrace(frames, kDepthMax, 0);
  if (depth <= 0) return;
  const std::lock_guard lock(mutex);
  if (table) table->Add({frames, static_cast<size_t>(depth)}, size);
}

}  // namespace

bool StartSamplingAllocations() {
  auto fresh = std::make_unique<StackTable>();
  {
    const std::lock_guard lock(mutex);
    if (table) return false;
    table.swap(fresh);
  }
  if (MallocHook::AddNewHook(&OnAllocation)) return true;
  const std::lock_guard lock(mutex);
  table.swap(fresh);
  return false;
}

std::string StopSamplingAllocations() {
  MallocHook::RemoveNewHook(&OnAllocation);
  std::unique_ptr<StackTable> taken;
  {
    const std::lock_guard lock(mutex);
    table.swap(taken);
  }
  return taken ? taken->Text() : std::string();
}

}  // namespace weir::observe
#endif
