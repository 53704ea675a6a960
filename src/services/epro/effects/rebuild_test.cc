#include "tasks/rebuild.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "services/epro/effects/testing_reports.h"

namespace weir::epro {
namespace {

using base::ErrorCode;
using clinical::Phq9;
using ::testing::HasSubstr;

// What is the store's own: numbers of the alert stream.
const std::vector<std::string> kTables = {
    "task ORDER BY 1",
    "quarantine ORDER BY 1, 2",
    "definition ORDER BY 1",
    "context ORDER BY 1",
    "answer ORDER BY 1",
    "outcome ORDER BY 1",
    "cleansed ORDER BY 1",
    "conflict ORDER BY 1, 2",
    "assessed ORDER BY 1",
    "compared ORDER BY 1",
    "analytics ORDER BY 1, 2, 3, 4",
    "research ORDER BY 1",
    "diary_report ORDER BY 1",
    "diary_patient ORDER BY 1",
    "compared_log",
    "diary_patient_log",
    "diary_site ORDER BY 1, 2",
    "diary_study ORDER BY 1",
    "alerts ORDER BY 1",
    "alert_deliveries ORDER BY 1, 2, 3",
    "(SELECT report_offset, state FROM alert_events) ORDER BY 1, 2",
    "(SELECT report_offset, stage, target FROM alert_outbox) ORDER BY 1, 2, 3",
    "alert_waiting ORDER BY 1"};

class RebuildTest : public ReportsTest {
 protected:
  std::vector<std::string> RowsOf(store::Database& database, const std::string& table) {
    auto reader = *database.OpenReader();
    store::Statement* select = *reader->Prepare("SELECT * FROM " + table);
    const std::string name = table.substr(0, table.find(" ORDER"));
    store::Statement* columns =
        *reader->Prepare("SELECT count(*) FROM pragma_table_info('" + name + "')");
    EXPECT_TRUE(*columns->Step());
    int count = static_cast<int>(columns->Int(0));
    if (count == 0) count = name.find("stage") != std::string::npos ? 3 : 2;  // a SELECT
    columns->Reset();
    std::vector<std::string> rows;
    while (*select->Step()) {
      std::string& row = rows.emplace_back();
      for (int i = 0; i < count; ++i) {
        row += select->IsNull(i) ? "NULL" : std::string(select->Text(i));
        row += '|';
      }
    }
    select->Reset();
    return rows;
  }
  base::Result<tasks::Rebuilt> Rebuild() {
    alerts::Inbox inbox{alerts::Routing(), base::SystemClock()};
    auto effects = *MakeEffects({kMasterKey}, journal_, inbox);
    return tasks::Rebuild({.store = {.path = path("rebuilt.db")},
                           .workers = 2,
                           .window_records_max = 23,
                           .progress = {}},
                          journal_, StoreMigrations(), *effects);
  }
};

// A history with all that can happen: conflicts, urgent reports, acknowledged and escalated alerts,
// deliveries, quarantine and replays, pauses.
TEST_F(RebuildTest, MakesTheSameRowsAgain) {
  options_.window_records_max = 31;
  std::mt19937 random(3);
  AddDefinition(journal_, Phq9());
  const Offset unknown =
      AddReport(journal_, {.report = "early",
                           .data = clinical::Coded(clinical::kGad7, {1, 1, 1, 1, 1, 1, 1}),
                           .definition = &clinical::Gad7()});
  AddDefinition(journal_, clinical::Gad7());
  AddControl(journal_, wire::Kind::kTaskState, "rubbish");
  std::vector<Offset> urgent;
  for (int round = 0; round < 12; ++round) {
    for (int i = 0; i < 60; ++i) {
      const int total = static_cast<int>(random() % 28);
      const std::string id = std::to_string(round * 60 + i);
      Sent sent{.report = id,
                .patient = "p" + std::to_string(random() % 20),
                .site = "s" + std::to_string(random() % 3),
                .data = Phq9Data(total),
                .definition = &Phq9(),
                .received_ms = kReceivedMs + round * 20'000'000};
      if (random() % 10 == 0) sent.data = "\"a free text, " + id + "\"";
      if (random() % 10 == 0) sent.authored_ms = kReceivedMs - 200'000'000;
      const Offset offset = AddReport(journal_, sent);
      if (total >= 20) urgent.push_back(offset);
      if (random() % 15 == 0) {
        sent.data = Phq9Data(total == 22 ? 23 : 22);
        AddReport(journal_, sent);
      }
    }
    const char* const tasks[] = {"cleanse", "research", "alert", "diary"};
    AddControl(journal_, wire::Kind::kTaskState,
               wire::Encode(wire::TaskStateHead{tasks[round % 4], round % 2 == 0, "test"}));
    if (round == 3) {
      for (const char* task : {"cleanse", "assess", "alert", "analytics"}) {
        AddControl(journal_, wire::Kind::kReplay,
                   wire::Encode(wire::ReplayHead{task, unknown, "test"}));
      }
    }
    if (!urgent.empty()) {
      AddControl(journal_,
                 round % 3 == 0 ? wire::Kind::kAlertEscalated : wire::Kind::kAlertAcknowledged,
                 wire::Encode(wire::AlertActionHead{urgent[random() % urgent.size()], "dr", "n"}),
                 kReceivedMs + round);
    }
    if (round % 4 == 1) Start();  // stops the one before it wherever it is
    if (round % 4 == 3) engine_.reset();
  }
  for (const char* task : {"cleanse", "research", "alert", "diary"}) {
    AddControl(journal_, wire::Kind::kTaskState,
               wire::Encode(wire::TaskStateHead{task, false, "test"}));
  }
  Apply();
  Settle();
  engine_.reset();
  ASSERT_EQ(One("SELECT count(*) FROM quarantine"), "2") << "research, and the rubbish";

  const auto rebuilt = Rebuild();
  ASSERT_TRUE(rebuilt) << rebuilt.error().message;
  EXPECT_EQ(rebuilt->records, journal_.durable_end().value());
  auto again = *store::OpenSqlite({.path = path("rebuilt.db")});
  for (const std::string& table : kTables) {
    SCOPED_TRACE(table);
    const auto rows = RowsOf(*store_, table);
    const auto same = RowsOf(*again, table);
    for (size_t i = 0; i < std::min(same.size(), rows.size()); ++i) {
      ASSERT_EQ(same[i], rows[i]) << i;
    }
    EXPECT_EQ(same.size(), rows.size());
    if (table.starts_with("conflict") || table.starts_with("alerts ")) {
      EXPECT_GT(rows.size(), 5u);
    }
  }
}

TEST_F(RebuildTest, RefusesAcrossAGapAndNamesIt) {
  for (int i = 0; i < 10; ++i) AddReport(journal_, {.report = std::to_string(i), .data = "\"x\""});
  ASSERT_TRUE(Rebuild());
  journal_.BeginAt(Offset(4));
  const auto refused = Rebuild();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(refused.error().message, HasSubstr("offsets 0 to 3"));
  auto kept = *store::OpenSqlite({.path = path("rebuilt.db")});
  EXPECT_EQ(RowsOf(*kept, "cleansed ORDER BY 1").size(), 10u) << "the present store is untouched";
}

TEST_F(RebuildTest, AnUnreadableJournalLeavesThePresentStoreAsItWas) {
  for (int i = 0; i < 10; ++i) AddReport(journal_, {.report = std::to_string(i), .data = "\"x\""});
  ASSERT_TRUE(Rebuild());
  journal_.FailReadsAt(Offset(7));
  ASSERT_FALSE(Rebuild());
  EXPECT_FALSE(std::filesystem::exists(path("rebuilt.db.rebuild")));
  journal_.FailReadsAt(std::nullopt);
  ASSERT_TRUE(Rebuild());
  auto kept = *store::OpenSqlite({.path = path("rebuilt.db")});
  EXPECT_EQ(RowsOf(*kept, "cleansed ORDER BY 1").size(), 10u);
}

}  // namespace
}  // namespace weir::epro
