#include "cli/progress.hpp"
#include "cli/server_runs.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cstdio>
#include <memory>

namespace assay::cli {
namespace {

/// Collects what is written to a FILE.
class captured_file {
public:
  captured_file() : file_(::open_memstream(&bytes_, &size_)) {}
  ~captured_file() {
    std::fclose(file_);
    std::free(bytes_);
  }
  captured_file(const captured_file&) = delete;
  captured_file& operator=(const captured_file&) = delete;

  std::FILE* get() const { return file_; }
  std::string text() const {
    std::fflush(file_);
    return {bytes_, size_};
  }

private:
  char* bytes_ = nullptr;
  size_t size_ = 0;
  std::FILE* file_ = nullptr;
};

progress_line half_done() {
  progress_line out;
  out.label = "sim-strong";
  out.record.state = run_state::running;
  out.record.progress.total = 200;
  out.record.progress.done = 100;
  out.record.progress.failed = 2;
  out.record.progress.scored = 98;
  out.record.progress.score_sum = 49;
  out.record.progress.samples_per_second = 12.34;
  out.record.progress.cost = from_dollars(0.5);
  return out;
}

TEST(render_progress, SaysHowManyCallsAreInBatches) {
  auto run = half_done();
  run.record.progress.in_batches = 60;
  EXPECT_NE(render_progress(run, 10, {}).find("60 in batches"), std::string::npos);
  run.record.state = run_state::completed;
  EXPECT_EQ(render_progress(run, 10, {}).find("in batches"), std::string::npos);
}

TEST(render_progress, SaysWhatARunOfAServerWaitsFor) {
  auto waits = half_done();
  waits.record.state = run_state::queued;
  waits.record.waiting_for = "the end of another";
  const progress_line seen{"sim-strong", record_from(run_status_json(waits.record))};
  EXPECT_NE(render_progress(seen, 10, {}).find("waiting: the end of another"), std::string::npos);
  waits.record.state = run_state::cancelled;
  EXPECT_EQ(record_from(run_status_json(waits.record)).waiting_for, "") << "it waits no more";
}

TEST(render_progress, ShowsWhatMattersOnOneLine) {
  const auto line = render_progress(half_done(), 12, {});
  for (const char* part : {"sim-strong", "50 %", "100/200", "12.3/s", "score 0.500", "2 failed", "$0.5"})
    EXPECT_NE(line.find(part), std::string::npos) << part << " in " << line;
}

TEST(render_progress, NamesAStateOtherThanRunning) {
  auto run = half_done();
  run.record.state = run_state::paused;
  EXPECT_NE(render_progress(run, 0, {}).find("paused"), std::string::npos);
}

TEST(render_progress, CountsARunWithoutSamplesAsCompleteOnceItIs) {
  progress_line run;
  run.record.state = run_state::completed;
  EXPECT_NE(render_progress(run, 0, {}).find("100 %"), std::string::npos);
}

TEST(progress, WritesNoEscapeSequencesToWhatIsNoTerminal) {
  const captured_file file;
  const auto out = std::make_shared<console>(file.get(), terminal{});
  progress shown(out, false);
  shown.show({half_done()});
  shown.show({half_done()});
  shown.end();
  const auto text = file.text();
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1) << "the second one comes too soon: " << text;
}

TEST(progress, SaysWhenARunEndsEvenIfTheLastLineWasJustWritten) {
  const captured_file file;
  const auto out = std::make_shared<console>(file.get(), terminal{});
  progress shown(out, false);
  auto run = half_done();
  shown.show({run});
  run.record.state = run_state::completed;
  shown.show({run});
  shown.show({run});
  const auto text = file.text();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2) << text;
  EXPECT_NE(text.find("completed"), std::string::npos);
}

TEST(progress, IsSilentWhenAskedToBe) {
  const captured_file file;
  const auto out = std::make_shared<console>(file.get(), terminal{true, true, 80});
  progress shown(out, true);
  shown.show({half_done()});
  shown.end();
  EXPECT_EQ(file.text(), "");
}

TEST(console, KeepsLogLinesAboveTheStatus) {
  const captured_file file;
  {
    console out(file.get(), terminal{true, false, 80});
    out.status({"bar"});
    out.line("a log line");
  }
  // The bar, erased; the line; the bar again; erased at the end.
  EXPECT_EQ(file.text(), "bar\n\x1b[1A\x1b[Ja log line\nbar\n\x1b[1A\x1b[J");
}

} // namespace
} // namespace assay::cli
