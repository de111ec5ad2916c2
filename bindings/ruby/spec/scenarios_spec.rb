# frozen_string_literal: true

RSpec.describe "The scenario corpus" do
  Corpus.scenarios.each do |scenario|
    it scenario.name do
      sent = ScenarioPlayer.new(scenario).play
      stats = sli.stats

      expect(sent).to eq(scenario.wire)
      expect(stats).to be_balanced
      expect(stats.to_h).to include((scenario.story["stats"] || {}).transform_keys(&:to_sym))
    end
  end
end
