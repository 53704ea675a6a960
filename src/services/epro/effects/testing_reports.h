// For tests: a store, a journal in memory and the six tasks over them.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "clinical/evaluate.h"
#include "clinical/testing_instruments.h"
#include "services/epro/effects.h"
#include "services/epro/schema.h"
#include "tasks/engine.h"
#include "testing/memory_journal/memory_journal.h"
#include "wire/envelope.h"

namespace weir::epro {

using base::Offset;

inline constexpr int64_t kReceivedMs = 1'795'000'000'000;  // 2026-11-18T11:06:40Z
inline constexpr const char* kMasterKey = "0123456789abcdef0123456789abcdef";

struct Sent {
  std::string study = "default", report, patient = "p1", site = "s1", data;
  const clinical::Definition* definition = nullptr;
  int64_t received_ms = kReceivedMs;
  std::optional<int64_t> authored_ms;
  std::string body;        // empty: made of the ids and `data`
  std::string instrument;  // that no definition has
};

// Journals the report as intake would.
inline Offset AddReport(testing::MemoryJournal& journal, const Sent& sent) {
  wire::ReportHead head;
  head.study_id = sent.study;
  head.report_id = sent.report;
  head.patient_id = sent.patient;
  head.site_id = sent.site;
  head.authored_ms = sent.authored_ms;
  head.instrument = sent.instrument;
  clinical::Level level = clinical::Level::kNone;
  if (sent.definition != nullptr) {
    head.instrument = sent.definition->name();
    head.definition_hash = sent.definition->hash().view();
    level = clinical::TriageReport(*sent.definition, sent.data).level;
  }
  journal::RecordHeader header;
  header.kind = static_cast<uint16_t>(wire::Kind::kReport);
  header.time_ms = sent.received_ms;
  header.key = wire::ReportKey(sent.study, sent.report);
  if (level == clinical::Level::kUrgent) header.flags = journal::kControl | journal::kUrgent;
  const std::string made = R"({"report_id":")" + sent.report + R"(","patient_id":")" +
                           sent.patient + R"(","data":)" + sent.data + "}";
  return journal.Add(header, wire::Encode(head), sent.body.empty() ? made : sent.body);
}

inline Offset AddDefinition(testing::MemoryJournal& journal,
                            const clinical::Definition& definition) {
  journal::RecordHeader header;
  header.kind = static_cast<uint16_t>(wire::Kind::kDefinition);
  header.flags = journal::kControl;
  header.key = wire::DefinitionKey(definition.hash());
  return journal.Add(header, "", definition.Pack());
}

inline Offset AddControl(testing::MemoryJournal& journal, wire::Kind kind, std::string head,
                         int64_t time_ms = kReceivedMs) {
  journal::RecordHeader header;
  header.kind = static_cast<uint16_t>(kind);
  header.flags = journal::kControl;
  header.time_ms = time_ms;
  return journal.Add(header, std::move(head), "");
}

// PHQ-9 answers with this total: item 9 stays 0 up to 24.
inline std::string Phq9Data(int total) {
  std::vector<int> scores(9, 0);
  for (size_t i = 0; total > 0; ++i, total -= 3) scores[i] = std::min(total, 3);
  return clinical::Coded(clinical::kPhq9, scores);
}

// A store and the engine over a journal, in a folder of the test's own.
class ReportsTest : public ::testing::Test {
 protected:
  ReportsTest()
      : folder_(std::filesystem::temp_directory_path() /
                ("weir_epro_" + std::to_string(::getpid()) + "_" +
                 ::testing::UnitTest::GetInstance()->current_test_info()->name())),
        inbox_(alerts::Routing(), base::SystemClock()) {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
    auto store = store::OpenSqlite({.path = path("weir.db")});
    EXPECT_TRUE(store);
    store_ = std::move(*store);
    const auto migrated = store_->Migrate(StoreMigrations());
    EXPECT_TRUE(migrated) << migrated.error().message;
    auto effects = MakeEffects({kMasterKey}, journal_, inbox_);
    EXPECT_TRUE(effects);
    effects_ = std::move(*effects);
    options_.linger_ms = 1;
    options_.nice = 0;
  }
  ~ReportsTest() override {
    engine_.reset();
    store_.reset();
    std::filesystem::remove_all(folder_);
  }

  std::string path(const char* name) const { return folder_ / name; }
  void Start() { Start(*store_); }
  void Start(store::Database& store) {
    auto engine = tasks::Engine::Open(options_, journal_, store, *effects_, base::SystemClock());
    ASSERT_TRUE(engine) << engine.error().message;
    engine_ = std::move(*engine);
    ASSERT_TRUE(engine_->Start());
  }
  void Apply() {
    if (engine_ == nullptr) Start();
    ASSERT_TRUE(engine_->WaitApplied(journal_.durable_end(), 20'000));
  }
  // Waits until nothing is put off any more.
  void Settle() {
    while (One("SELECT (SELECT count(*) FROM compared_log) + count(*) FROM diary_patient_log") !=
           "0") {
      engine_->WaitApplied(Offset(1ull << 60), 5);
    }
  }
  static std::vector<std::string> Rows(store::Database& database, std::string_view sql) {
    auto reader = database.OpenReader();
    EXPECT_TRUE(reader);
    auto select = (*reader)->Prepare(sql);
    EXPECT_TRUE(select) << (select ? "" : select.error().message);
    std::vector<std::string> rows;
    if (!select) return rows;
    while (*(*select)->Step()) rows.emplace_back((*select)->Text(0));
    (*select)->Reset();
    return rows;
  }
  std::vector<std::string> Rows(std::string_view sql) { return Rows(*store_, sql); }
  std::string One(std::string_view sql) {
    const auto rows = Rows(sql);
    return rows.empty() ? "nothing" : rows[0];
  }

  const std::filesystem::path folder_;
  testing::MemoryJournal journal_;
  std::unique_ptr<store::Database> store_;
  alerts::Inbox inbox_;
  std::unique_ptr<tasks::Service> effects_;
  tasks::EngineOptions options_;
  std::unique_ptr<tasks::Engine> engine_;
};

}  // namespace weir::epro
