/** What the videos of the double are about: enough words for titles that differ and searches that overlap. */
export interface Topic {
  readonly name: string;
  readonly category: string;
  readonly language: string;
  readonly subjects: readonly string[];
  readonly events: readonly string[];
}

const topic = (
  name: string,
  category: string,
  language: string,
  subjects: string,
  events: string,
): Topic => ({
  name,
  category,
  language,
  subjects: subjects.split(', '),
  events: events.split(', '),
});

/** Some titles carry characters that HTML escapes, other scripts, or more than one topic's word. */
export const TOPICS: readonly Topic[] = [
  topic(
    'cricket',
    '17',
    'en',
    "India vs Pakistan, England & Australia, Sri Lanka women, the 'village green' XI, New Zealand, West Indies",
    'last over finish, full highlights, bowling masterclass, <first> Test day 3, "catch of the season", net practice',
  ),
  topic(
    'football',
    '17',
    'en',
    'Rovers, United & City, the under-21s, a street team, the island league, old rivals',
    'derby highlights, penalty shoot-out, "goal of the month", tactics explained, cup final, training day',
  ),
  topic(
    'sailing',
    '19',
    'en',
    'a small sloop, two friends & a catamaran, the harbour fleet, an old ketch, solo sailor, the regatta crew',
    'crossing the strait, storm night, refit week 4, boating basics, fishing on the way, first regatta',
  ),
  topic(
    'cooking',
    '26',
    'en',
    "grandmother's bread, rice & beans, a one-pot dinner, street noodles, pickles, the perfect omelette",
    'step by step, in 20 minutes, what went wrong, for beginners, market day, tasting',
  ),
  topic(
    'chess',
    '20',
    'en',
    'the Sicilian, a queen sacrifice, rook endings, blitz night, the junior champion, a correspondence game',
    'analysed, explained simply, round 7, live commentary, "a move nobody saw", puzzle hour',
  ),
  topic(
    'astronomy',
    '28',
    'en',
    'Saturn, a dim comet, the winter sky, sunspots, a home-made telescope, the lunar eclipse',
    'observed, time-lapse, how to find it, live stream, imaging session, questions & answers',
  ),
  topic(
    'guitar',
    '10',
    'es',
    'una cejilla, el blues, tres acordes, una guitarra vieja, el flamenco, un dúo',
    'lección 1, en directo, paso a paso, improvisación, concierto pequeño, afinación',
  ),
  topic(
    'railway',
    '2',
    'de',
    'eine Dampflok, die Nebenbahn, der Nachtzug, das Stellwerk, eine Modellbahn, die Bergstrecke',
    'Führerstandsmitfahrt, im Schnee, Teil 2, Abschiedsfahrt, Reparatur, vorbeifahrend',
  ),
  topic(
    'gardening',
    '26',
    'fr',
    'les tomates, un petit balcon, le compost, une haie, les semis, un potager',
    'au printemps, étape 3, erreurs à éviter, visite guidée, récolte, taille',
  ),
  topic(
    'birds',
    '15',
    'ja',
    'カササギ, ツバメの巣, 冬の白鳥, 庭の小鳥, フクロウ, 渡り鳥',
    '観察, ライブ, 朝の声, 第2回, 子育て, 記録',
  ),
  topic(
    'coding',
    '28',
    'en',
    'a tiny compiler, message queues, C++ templates, a web crawler, types & proofs, an old bug',
    'from scratch, part 5, "why it works", live session, code review, in one hour',
  ),
  topic(
    'hiking',
    '19',
    'en',
    'the ridge path, two days & one tent, a forgotten pass, coast to coast, the night walk, winter hut',
    'day 1, what we carried, in the rain, full route, the descent, map & compass',
  ),
];

export const SERIES = ['Weekly', 'Daily', 'Quiet', 'Northern', 'Little', 'Grand', 'Open', 'Second'] as const;
export const OUTLETS = ['Channel', 'TV', 'Club', 'Diaries', 'Studio', 'Society', 'Hour', 'Lab'] as const;
