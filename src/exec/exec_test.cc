#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <memory>
#include <numeric>
#include <thread>
#include <vector>

#include "exec/bounded_queue.h"
#include "exec/thread.h"
#include "exec/worker_pool.h"

namespace weir::exec {
namespace {

TEST(BoundedQueue, RefusesWhatDoesNotFitAndTakesItOnceThereIsRoom) {
  BoundedQueue<std::unique_ptr<int>> queue({.count_max = 2, .bytes_max = 100});
  EXPECT_TRUE(queue.TryPush(std::make_unique<int>(1), 60));
  auto large = std::make_unique<int>(2);
  EXPECT_FALSE(queue.TryPush(std::move(large), 41));
  ASSERT_NE(large, nullptr) << "a refused value stays with its owner";
  EXPECT_TRUE(queue.TryPush(std::make_unique<int>(3), 40));
  EXPECT_FALSE(queue.TryPush(std::make_unique<int>(4), 0)) << "full by count";
  EXPECT_EQ(**queue.Pop(), 1);
  EXPECT_EQ(queue.bytes(), 40u);
  EXPECT_TRUE(queue.TryPush(std::move(large), 41));
  EXPECT_EQ(**queue.Pop(), 3);
  EXPECT_EQ(**queue.Pop(), 2);
  EXPECT_EQ(queue.size(), 0u);
}

TEST(BoundedQueue, GivesOutWhatItHoldsAfterItClosed) {
  BoundedQueue<int> queue({});
  EXPECT_TRUE(queue.TryPush(1));
  queue.Close();
  EXPECT_FALSE(queue.TryPush(2));
  EXPECT_EQ(queue.Pop(), 1);
  EXPECT_EQ(queue.Pop(), std::nullopt);
}

TEST(BoundedQueue, WakesWhoWaitsWhenItCloses) {
  BoundedQueue<int> queue({});
  std::thread consumer([&] { EXPECT_EQ(queue.Pop(), std::nullopt); });
  queue.Close();
  consumer.join();
}

TEST(BoundedQueue, LosesAndDoublesNothingBetweenManyThreads) {
  constexpr uint64_t kProducers = 4, kEach = 20'000;
  BoundedQueue<uint64_t> queue({.count_max = 64, .bytes_max = 64 * 8});
  std::atomic<uint64_t> sum{0}, count{0};
  std::vector<std::thread> producers, consumers;
  for (int i = 0; i < 3; ++i) {
    consumers.emplace_back([&] {
      while (const auto value = queue.Pop()) {
        sum += *value;
        ++count;
      }
    });
  }
  for (uint64_t p = 0; p < kProducers; ++p) {
    producers.emplace_back([&, p] {
      for (uint64_t i = 0; i < kEach; ++i) {
        while (!queue.TryPush(p * kEach + i, 8)) std::this_thread::yield();
      }
    });
  }
  for (auto& thread : producers) thread.join();
  queue.Close();
  for (auto& thread : consumers) thread.join();
  EXPECT_EQ(count, kProducers * kEach);
  EXPECT_EQ(sum, kProducers * kEach * (kProducers * kEach - 1) / 2);
}

TEST(WorkerPool, RunsEverythingThatItTook) {
  std::atomic<int> runs{0};
  {
    WorkerPool pool({.name = "t", .threads = 4, .queue_max = 1000});
    for (int i = 0; i < 1000; ++i) {
      auto owned = std::make_unique<int>(1);  // a task may own what cannot be copied
      EXPECT_TRUE(pool.TrySubmit([&runs, owned = std::move(owned)] { runs += *owned; }));
    }
    EXPECT_EQ(pool.Stop(60'000), 0u);
    EXPECT_EQ(pool.stats().done, 1000u);
    EXPECT_FALSE(pool.TrySubmit([] {})) << "a stopped pool takes nothing";
  }
  EXPECT_EQ(runs, 1000);
}

TEST(WorkerPool, RefusesWhenItsQueueIsFullAndRecovers) {
  WorkerPool pool({.name = "t", .threads = 1, .queue_max = 2});
  std::latch started(1), release(1);
  ASSERT_TRUE(pool.TrySubmit([&] {
    started.count_down();
    release.wait();
  }));
  started.wait();
  ASSERT_TRUE(pool.TrySubmit([] {}));
  ASSERT_TRUE(pool.TrySubmit([] {}));
  EXPECT_FALSE(pool.TrySubmit([] {}));
  EXPECT_EQ(pool.stats().refused, 1u);
  release.count_down();
  std::latch again(1);
  while (!pool.TrySubmit([&] { again.count_down(); })) std::this_thread::yield();
  again.wait();
}

TEST(WorkerPool, DropsWhatIsQueuedAtTheDeadlineAndWaitsForWhatRuns) {
  WorkerPool pool({.name = "t", .threads = 1});
  std::latch started(1);
  std::atomic<bool> saw_stop{false}, queued_ran{false};
  ASSERT_TRUE(pool.TrySubmit([&] {
    started.count_down();
    while (!pool.stopping()) std::this_thread::yield();
    saw_stop = true;
  }));
  started.wait();
  ASSERT_TRUE(pool.TrySubmit([&] { queued_ran = true; }));
  EXPECT_EQ(pool.Stop(1), 1u);
  EXPECT_TRUE(saw_stop);
  EXPECT_FALSE(queued_ran);
  EXPECT_EQ(pool.stats().dropped, 1u);
}

TEST(WorkerPool, NamesItsThreads) {
  WorkerPool pool({.name = "reader", .threads = 1});
  std::latch done(1);
  char name[16] = {};
  ASSERT_TRUE(pool.TrySubmit([&] {
    pthread_getname_np(pthread_self(), name, sizeof name);
    done.count_down();
  }));
  done.wait();
  EXPECT_STREQ(name, "reader-0");
}

}  // namespace
}  // namespace weir::exec
