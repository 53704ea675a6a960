// Who reported when: per patient the last report and their number, and chains through a patient's,
// a site's and a study's reports, newest first.
//
// A chain is kept in the reports' own rows (each names the one before it), so that a list costs no
// index. A report replayed out of quarantine is put into its place in the chains.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "services/epro/effects/patient_heads.h"
#include "services/epro/effects/report_task.h"

namespace weir::epro {

class Diary final : public ReportTask {
 public:
  explicit Diary(SharedTexts& texts) : ReportTask("diary", texts) {}
  base::Status Open(store::Connection& connection) override;
  base::Status Flush() override;
  void Discard() override;
  void RolledBack() override;
  base::Result<bool> Settle() override { return patients_.Settle(); }
  bool settled() const override { return patients_.settled(); }

 protected:
  base::Status ApplyReport(const journal::RecordView& record, const Readings& readings,
                           const Reading& reading, const tasks::Turn& turn) override;
  bool NeedsEvaluation() const override { return false; }

 private:
  // The newest report of a chain, and how many there are.
  struct Head {
    std::optional<Offset> last;
    int64_t reports = 0;
  };
  // Where a report stands in the three chains.
  struct Links {
    std::optional<Offset> patient, site, study;
  };
  // Views into the window, which outlives the flush.
  struct Pending {
    Offset offset;
    int64_t time_ms;
    const Reading* reading;
    Links links;
  };
  // Statements of one sort of chain.
  struct Chain {
    store::Statement* load = nullptr;
    store::Statement* save = nullptr;
  };
  using SiteKey = std::pair<std::string_view, std::string_view>;

  base::Status LinkPatients();
  base::Status LinkSites();
  base::Status LinkStudies();
  base::Status Insert(const Pending& pending);
  base::Status ApplyReplayed(const Pending& pending);
  base::Status LinkReplayed(const std::string& column, std::optional<Offset> next, Offset offset,
                            Head* head, std::optional<Offset>* previous);
  base::Result<std::optional<Offset>> NextOfPatient(const Pending& pending, const Head& head);
  base::Result<std::optional<Offset>> NextInContexts(const Pending& pending, bool of_site);

  base::Result<Head> Load(store::Statement& load);
  base::Result<Head> LoadPatient(HashId patient);
  base::Result<Head> LoadSite(const SiteKey& site);
  base::Result<Head> LoadStudy(std::string_view study_id);
  base::Status SavePatient(HashId patient, const Head& head);
  base::Status SaveSite(const SiteKey& site, const Head& head);
  base::Status SaveStudy(std::string_view study_id, const Head& head);

  store::Connection* connection_ = nullptr;
  PatientHeads patients_{"diary_patient"};  // the value is the number of reports
  Chain site_, study_;
  bool flushing_ = false;
  store::Statement* insert_ = nullptr;
  std::vector<Pending> pending_;
};

}  // namespace weir::epro
