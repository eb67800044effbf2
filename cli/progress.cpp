#include "cli/progress.hpp"

#include <algorithm>
#include <cmath>

namespace assay::cli {

namespace {

constexpr size_t bar_cells = 20;

std::string bar(double fraction) {
  const auto full = static_cast<size_t>(std::lround(std::clamp(fraction, 0.0, 1.0) * bar_cells));
  return "[" + std::string(full, '#') + std::string(bar_cells - full, '-') + "]";
}

size_t widest_label(const std::vector<progress_line>& runs) {
  size_t width = 0;
  for (const auto& run : runs)
    width = std::max(width, display_width(run.label));
  return width;
}

} // namespace

std::string model_label(const run_spec& spec) {
  return spec.model.value + (spec.provider.value == "mock" ? " (simulated)" : "");
}

std::string render_progress(const progress_line& run, size_t label_width, wall_time now) {
  const auto& record = run.record;
  const auto& done = record.progress;
  const double fraction = record.state == run_state::completed ? 1.0 : done.fraction();
  std::string out =
      run.label + std::string(label_width - std::min(label_width, display_width(run.label)), ' ');
  out += "  " + bar(fraction) + "  " + std::to_string(std::lround(fraction * 100)) + " %  "
         + show_count(done.done) + "/" + show_count(done.total);
  if (record.state != run_state::running)
    out += "  " + std::string(to_string(record.state));
  else if (done.samples_per_second > 0)
    out += "  " + show_number(done.samples_per_second, done.samples_per_second < 100 ? 1 : 0) + "/s";
  if (const auto score = done.score())
    out += "  score " + show_number(*score, 3);
  if (done.in_batches > 0 && !is_final(record.state))
    out += "  " + show_count(done.in_batches) + " in batches";
  if (done.failed > 0)
    out += "  " + show_count(done.failed) + " failed";
  if (done.cost)
    out += "  " + to_string(*done.cost);
  if (!is_final(record.state) && !record.waiting_for.empty())
    return out + "  waiting: " + record.waiting_for;
  if (!is_final(record.state) && done.estimated_completion && *done.estimated_completion > now)
    out += "  " + to_human(*done.estimated_completion - now) + " left";
  return out;
}

progress::progress(std::shared_ptr<console> out, bool quiet, std::chrono::seconds plain_interval)
    : out_(std::move(out)), quiet_(quiet), plain_interval_(plain_interval) {}

progress::~progress() { end(); }

void progress::show(const std::vector<progress_line>& runs) {
  if (quiet_)
    return;
  if (!out_->kind().is_terminal)
    return show_plain(runs);
  const auto width = widest_label(runs);
  std::vector<std::string> lines;
  for (const auto& run : runs)
    lines.push_back(render_progress(run, width, wall_now()));
  out_->status(std::move(lines));
}

void progress::show_plain(const std::vector<progress_line>& runs) {
  const auto now = std::chrono::steady_clock::now();
  const bool due = now - last_plain_ >= plain_interval_;
  last_states_.resize(runs.size(), run_state::queued);
  const auto width = widest_label(runs);
  for (size_t i = 0; i < runs.size(); ++i) {
    const auto state = runs[i].record.state;
    const bool ended = is_final(state) && !is_final(last_states_[i]);
    if (ended || (due && !is_final(state)))
      out_->line(render_progress(runs[i], width, wall_now()));
    last_states_[i] = state;
  }
  if (due)
    last_plain_ = now;
}

void progress::end() {
  if (!quiet_)
    out_->clear_status();
}

} // namespace assay::cli
