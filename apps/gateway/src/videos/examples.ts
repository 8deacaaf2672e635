import type { Video } from '@magpie/contracts';
import { ITEM_ID, image } from '../examples.ts';

export const video: Video = {
  id: ITEM_ID,
  video_id: 'dQw4w9WgXcQ',
  url: 'https://www.youtube.com/watch?v=dQw4w9WgXcQ',
  title: 'How to make tea?',
  description: 'Water, leaves, and four minutes.',
  channel: { id: 'UC_x5XG1OV2P6uZZ5FSM9Ttw', title: 'Kitchen basics' },
  published_at: '2026-05-01T11:58:02.000Z',
  duration: 'PT4M13S',
  language: 'en',
  tags: ['tea'],
  statistics: { views: 5012, likes: 240, comments: null },
  thumbnails: {
    default: {
      url: 'https://i.ytimg.com/vi/dQw4w9WgXcQ/default.jpg',
      static_url: null,
      width: 120,
      height: 90,
    },
    high: {
      url: 'https://i.ytimg.com/vi/dQw4w9WgXcQ/hqdefault.jpg',
      static_url: image.static_url,
      width: 480,
      height: 360,
    },
  },
  stored_at: '2026-05-01T12:00:41.250Z',
};
