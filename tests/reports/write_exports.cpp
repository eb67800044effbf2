#include "tests/reports/report_world.hpp"

#include <filesystem>
#include <fstream>
#include <iostream>

// Writes a run in every form below a folder, and beside them what is in it, for a program that reads them
// again.

using namespace assay;
using namespace assay::reports;
using namespace assay::reports::test;

namespace {

void write(const std::filesystem::path& path, const std::string& text) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream out(path, std::ios::binary);
  out << text;
}

nlohmann::json facts_of(const report_world& world) {
  auto rows = nlohmann::json::array();
  for (size_t i = 0; i < world.samples.size(); ++i) {
    const auto& sample = world.samples[i];
    const auto& response = world.responses[i];
    auto scores = nlohmann::json::array();
    for (const auto& score : sample.scores)
      scores.push_back({{"scorer", score.scorer}, {"value", score.value}});
    rows.push_back({{"task", sample.address.task},
                    {"sample", sample.address.sample},
                    {"epoch", sample.address.epoch},
                    {"status", to_string(sample.status)},
                    {"scores", std::move(scores)},
                    {"prompt", response.prompt.str()},
                    {"answer", response.answer.str()},
                    {"target", response.target.str()}});
  }
  auto documents = nlohmann::json::array();
  for (const auto& one : world.documents) {
    std::string text;
    one.append_to(text);
    documents.push_back(text);
  }
  return {{"rows", std::move(rows)}, {"documents", std::move(documents)}};
}

} // namespace

int main(int count, char** arguments) {
  if (count != 2) {
    std::cerr << "write_exports FOLDER\n";
    return 2;
  }
  const std::filesystem::path folder = arguments[1];
  for (const uint16_t epochs : {uint16_t{1}, uint16_t{3}}) {
    const auto world = make_world(15, epochs);
    const auto below = folder / ("epochs" + std::to_string(epochs));
    write(below / "facts.json", facts_of(world).dump());
    for (const auto format :
         {export_format::json, export_format::jsonl, export_format::csv, export_format::lm_eval,
          export_format::eval_log, export_format::junit, export_format::html})
      for (const auto& file : export_files(world.facts.run, options_for(format)))
        write(below / std::string(to_string(format)) / file.name, exported(world, file.options));
  }
  return 0;
}
