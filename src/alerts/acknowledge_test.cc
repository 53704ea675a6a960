#include "alerts/acknowledge.h"

#include <gtest/gtest.h>

#include "alerts/alerts_test_support.h"

namespace weir::alerts {
namespace {

using base::ErrorCode;
using journal::Outcome;

class AcknowledgeTest : public ::testing::Test {
 protected:
  void SetUp() override {
    committer_.Commit([&] { committer_.Raise({.offset = 1, .study = "s1"}); });
  }
  base::Result<Acknowledged> Try(std::string_view id, std::string_view note,
                                 StudyScope scope = StudyScope::All(),
                                 std::string_view actor = "dr-who") {
    return Acknowledge(journal_, *reader_, clock_, {std::move(scope), id, actor, note});
  }

  MovableClock clock_;
  StoreOnDisk store_;
  KeyedJournal journal_;
  Committer committer_{*store_, Routing(), clock_};
  ControlLane lane_{journal_, committer_};
  std::unique_ptr<store::Connection> reader_ = std::move(*store_->OpenReader());
};

TEST_F(AcknowledgeTest, IsDurableWhenItReturnsAndShownAtOnce) {
  const auto done = Try("a-1", "called the patient");
  ASSERT_TRUE(done.has_value());
  EXPECT_FALSE(done->already);
  EXPECT_EQ(done->alert.state, State::kAcknowledged);
  EXPECT_EQ(done->alert.acknowledgement->by, "dr-who");
  EXPECT_EQ(journal_.durable_end(), Offset(1));
  lane_.Run();
  const auto stored = Get(*reader_, StudyScope::All(), Offset(1));
  EXPECT_EQ(ToJson(*stored), ToJson(done->alert));
}

TEST_F(AcknowledgeTest, ASecondPersonIsToldWhoWasFirst) {
  ASSERT_TRUE(Try("a-1", "called the patient").has_value());
  for (const bool applied : {false, true}) {
    SCOPED_TRACE(applied);
    if (applied) lane_.Run();
    const auto second = Try("a-1", "me too", StudyScope::All(), "dr-no");
    ASSERT_TRUE(second.has_value());
    EXPECT_TRUE(second->already);
    EXPECT_EQ(second->alert.acknowledgement->by, "dr-who");
    EXPECT_EQ(second->alert.acknowledgement->note, "called the patient");
  }
  EXPECT_EQ(journal_.durable_end(), Offset(1));
}

TEST_F(AcknowledgeTest, NeedsANote) {
  for (const std::string& bad :
       {std::string(), std::string(" \n"), std::string(4097, 'x'), std::string("a\0b", 3)}) {
    EXPECT_EQ(Try("a-1", bad).error().code, ErrorCode::kInvalidArgument);
  }
  EXPECT_EQ(journal_.durable_end(), Offset(0));
  EXPECT_TRUE(Try("a-1", std::string(4096, 'x')).has_value());
}

TEST_F(AcknowledgeTest, KnowsNoAlertOutsideTheScope) {
  for (const char* id : {"a-2", "1", "a-", "a-1x", ""}) {
    EXPECT_EQ(Try(id, "note").error().code, ErrorCode::kNotFound) << id;
  }
  EXPECT_EQ(Try("a-1", "note", {false, {"s2"}}).error().code, ErrorCode::kNotFound);
  EXPECT_TRUE(Try("a-1", "note", {false, {"s1"}}).has_value());
}

TEST_F(AcknowledgeTest, SaysSoWhenItCouldNotBeStoredAndSucceedsLater) {
  journal_.Refuse(Outcome::kNoSpace);
  EXPECT_EQ(Try("a-1", "note").error().code, ErrorCode::kNoSpace);
  journal_.Refuse(Outcome::kStopped);
  EXPECT_EQ(Try("a-1", "note").error().code, ErrorCode::kStopped);
  journal_.Refuse(std::nullopt);
  EXPECT_FALSE(Try("a-1", "note")->already);
}

}  // namespace
}  // namespace weir::alerts
