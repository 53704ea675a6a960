#include "services/epro/effects/patient_heads.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "services/epro/effects/testing_reports.h"

namespace weir::epro {
namespace {

class PatientHeadsTest : public ReportsTest {};

// Against a map, with transactions that are rolled back and stores that are opened anew.
TEST_F(PatientHeadsTest, AnswersAsAMapWould) {
  auto writer = *store_->OpenWriter();
  auto heads = std::make_unique<PatientHeads>("diary_patient");
  ASSERT_TRUE(heads->Open(*writer));
  std::map<HashId, PatientHeads::Head> committed, staged;
  std::mt19937_64 random(5);
  std::vector<HashId> patients(20'000);
  for (HashId& patient : patients) patient = static_cast<HashId>(random() >> 2);
  uint64_t offset = 0;
  for (int round = 0; round < 300; ++round) {
    ASSERT_TRUE(writer->Begin());
    staged = committed;
    for (int i = 0; i < 700; ++i) {
      const HashId patient = patients[random() % patients.size()];
      const auto head = heads->Load(patient);
      ASSERT_TRUE(head);
      const auto expected = staged.find(patient);
      ASSERT_EQ(head->has_value(), expected != staged.end());
      if (*head) {
        ASSERT_EQ((*head)->last, expected->second.last);
      }
      const PatientHeads::Head next{Offset(offset++), *head ? (*head)->value + 1 : 1};
      ASSERT_TRUE(heads->Save(patient, next));
      staged[patient] = next;
    }
    ASSERT_TRUE(heads->Merge());
    if (random() % 5 == 0) {
      writer->Rollback();
      heads->Forget();
      continue;
    }
    ASSERT_TRUE(writer->Commit());
    committed = staged;
    if (random() % 20 == 0) {
      heads = std::make_unique<PatientHeads>("diary_patient");
      ASSERT_TRUE(heads->Open(*writer));
    }
  }
  const auto read = [&](HashId patient) {
    const auto head = PatientHeads::Read(*writer, "diary_patient", patient);
    return head && *head ? (*head)->value : 0;
  };
  for (size_t i = 0; i < patients.size(); i += 97) {
    ASSERT_EQ(read(patients[i]),
              committed.contains(patients[i]) ? committed[patients[i]].value : 0);
  }
  EXPECT_LT(std::stoi(One("SELECT count(*) FROM diary_patient_log")), 140'000);
  EXPECT_GT(std::stoi(One("SELECT count(*) FROM diary_patient")), 5'000) << "merged on the way";
  ASSERT_TRUE(writer->Begin());
  while (*heads->Settle()) {
  }
  ASSERT_TRUE(writer->Commit());
  EXPECT_EQ(One("SELECT count(*) FROM diary_patient_log"), "0");
  EXPECT_EQ(One("SELECT count(*) FROM diary_patient"), std::to_string(committed.size()));
  for (const auto& [patient, head] : committed) ASSERT_EQ(read(patient), head.value);
}

}  // namespace
}  // namespace weir::epro
